// Signs eight people in by the pages for development, and prints the cookies of each.
import { createHash, randomBytes } from 'node:crypto';
const base = `http://127.0.0.1:${process.env.PORT ?? 8080}`;
for (let person = 0; person < 8; person++) {
  const jar = new Map();
  const go = async (url, body) => {
    const answer = await fetch(new URL(url, base), { method: body ? 'POST' : 'GET', body, redirect: 'manual',
      headers: { cookie: [...jar].map(([k, v]) => `${k}=${v}`).join('; ') } });
    for (const line of answer.headers.getSetCookie()) {
      const [pair] = line.split(';'); const at = pair.indexOf('=');
      if (pair.slice(at + 1)) jar.set(pair.slice(0, at), pair.slice(at + 1)); else jar.delete(pair.slice(0, at));
    }
    return answer;
  };
  const challenge = createHash('sha256').update('x'.repeat(43)).digest('base64url');
  let url = '/auth?' + new URLSearchParams({ client_id: 'phone', response_type: 'code', redirect_uri: 'https://app.example.com/callback',
    scope: 'openid orders:read', code_challenge: challenge, code_challenge_method: 'S256', state: randomBytes(8).toString('hex') });
  for (let step = 0; step < 12 && !url.startsWith('https://app'); step++) {
    let answer = await go(url);
    if (answer.status === 200) {
      const page = await answer.text();
      const prompt = /name="prompt" value="(\w+)"/.exec(page)?.[1];
      if (!prompt) throw new Error(`not a page of the sign-in: ${page.slice(0, 200)}`);
      answer = await go(url, new URLSearchParams({ prompt, login: `person-${person}`, password: 'x' }));
    }
    url = answer.headers.get('location');
    if (!url) throw new Error(`${answer.status} ${await answer.text()}`);
  }
  if (!new URL(url, base).searchParams.has('code')) throw new Error(`person-${person} was led to ${url}`);
  console.log([...jar].filter(([k]) => k.startsWith('_session')).map(([k, v]) => `${k}=${v}`).join('; '));
}
