// oidc-provider (npm), an OpenID provider that we did not write: people sign in at our server with its accounts.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Agent, createServer } from 'node:https'
import { after, test } from 'node:test'
import Provider from 'oidc-provider'
import * as client from 'openid-client'
import { browser, secret, server, unescape } from './world.mjs'

const back = 'https://web.example.com/social'
let listener
after(() => listener?.close().closeAllConnections())

// Everybody may sign in there, by any name. PKCE is demanded, and both ways back are ours.
async function stranger() {
  const { issuer, at, stranger: port } = await server()
  const provider = new Provider(`https://127.0.0.1:${port}`, {
    clients: [
      {
        client_id: 'example-shop',
        client_secret: secret,
        redirect_uris: ['stranger', 'impostor'].map((name) => `${issuer}/upstream/${name}/callback`),
        backchannel_logout_uri: `${issuer}/upstream/stranger/backchannel-logout`,
        backchannel_logout_session_required: true,
      },
    ],
    claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, name: `${id} Example`, email: `${id}@example.com`, email_verified: true }),
    }),
    pkce: { required: () => true },
    features: { backchannelLogout: { enabled: true } },
    httpOptions: () => ({ agent: new Agent({ ca: readFileSync(at('ca.pem')) }) }),
    cookies: { keys: ['a key of the tests'] },
  })
  const key = { key: readFileSync(at('server.key')), cert: readFileSync(at('server.pem')) }
  listener = createServer(key, provider.callback()).listen(port, '127.0.0.1')
}

// Goes through our pages and the stranger's. Returns where it ends: a URL of the client, or the text of a page of ours.
async function signIn(address, button, name, browse = browser()) {
  let [url, pressed] = [address, false]
  let page = await browse(url)
  for (let step = 0; step < 20; step++) {
    const onward = page.location ?? unescape(page.html.match(/http-equiv="refresh" content="0;url=([^"]*)"/)?.[1] ?? '')
    if (onward.startsWith(back)) return new URL(onward)
    if (onward) {
      url = new URL(onward, url).href
      page = await browse(url)
      continue
    }
    assert.equal(page.status, 200, page.html)
    const form = new URLSearchParams()
    for (const [tag] of page.html.matchAll(/<(input|button)[^>]*>/g)) {
      const field = tag.match(/ name="([^"]*)"/)?.[1]
      if (field && !form.has(field)) form.set(field, unescape(tag.match(/ value="([^"]*)"/)?.[1] ?? ''))
    }
    const { issuer } = await server()
    if (url.startsWith(issuer)) {
      if (pressed) return page.html
      form.set('action', button)
      pressed = true
    }
    if (form.has('login')) form.set('login', name), form.set('password', 'anything')
    url = new URL(unescape(page.html.match(/<form[^>]* action="([^"]*)"/)[1]), url).href
    page = await browse(url, form)
  }
  throw new Error('the sign-in does not end')
}

test('oidc-provider as the provider of a sign-in', async () => {
  const { issuer } = await server()
  await stranger()
  const site = await client.discovery(new URL(issuer), 'social-site', {}, client.ClientSecretBasic(secret))
  const ask = async (button, name) => {
    const pkceCodeVerifier = client.randomPKCECodeVerifier()
    const [expectedState, code_challenge] = [client.randomState(), await client.calculatePKCECodeChallenge(pkceCodeVerifier)]
    const request = { redirect_uri: back, scope: 'openid profile email', state: expectedState, code_challenge, code_challenge_method: 'S256' }
    const answer = await signIn(client.buildAuthorizationUrl(site, request).href, button, name)
    if (!(answer instanceof URL)) return answer
    const tokens = await client.authorizationCodeGrant(site, answer, { pkceCodeVerifier, expectedState, idTokenExpected: true })
    assert.equal(tokens.claims().iss, issuer)
    return client.fetchUserInfo(site, tokens.access_token, tokens.claims().sub)
  }
  const [ann, again, bob] = [
    await ask('use_upstream:stranger', 'ann'),
    await ask('use_upstream:stranger', 'ann'),
    await ask('use_upstream:stranger', 'bob'),
  ]
  assert.equal(ann.name, 'ann Example')
  assert.equal(ann.email, undefined, 'nobody listed example.com for this provider')
  assert.equal(again.sub, ann.sub)
  assert.notEqual(bob.sub, ann.sub)
  // The twin: the same provider and person, and a server with another secret.
  const page = await ask('use_upstream:impostor', 'ann')
  assert.match(page, /That did not work/)
})

// OpenID Connect Back-Channel Logout 1.0: the provider tells our server, which asks for everything at the next request.
test('oidc-provider tells our server that a person signed out', async () => {
  const { issuer, stranger: port } = await server()
  const site = await client.discovery(new URL(issuer), 'social-site', {}, client.ClientSecretBasic(secret))
  const address = async (more) => {
    const code_challenge = await client.calculatePKCECodeChallenge(client.randomPKCECodeVerifier())
    const request = { redirect_uri: back, scope: 'openid', code_challenge, code_challenge_method: 'S256', ...more }
    return client.buildAuthorizationUrl(site, request).href
  }
  const [carol, dave] = [browser(), browser()]
  for (const [browse, name] of [[carol, 'carol'], [dave, 'dave']])
    assert.ok((await signIn(await address(), 'use_upstream:stranger', name, browse)).searchParams.get('code'))
  // Without a page: a code, or the word that the person has to sign in.
  const asked = async (browse) => {
    const answer = new URL((await browse(await address({ prompt: 'none' }))).location).searchParams
    return answer.get('error') ?? (answer.get('code') && 'signed in')
  }
  assert.deepEqual([await asked(carol), await asked(dave)], ['signed in', 'signed in'])
  const page = await carol(`https://127.0.0.1:${port}/session/end`)
  const form = new URLSearchParams({ xsrf: page.html.match(/name="xsrf" value="([^"]*)"/)[1], logout: 'yes' })
  const left = await carol(unescape(page.html.match(/<form[^>]* action="([^"]*)"/)[1]), form)
  assert.ok(left.status < 400, left.html)
  assert.deepEqual([await asked(carol), await asked(dave)], ['login_required', 'signed in'])
})
