// oidc-provider (npm), an OpenID provider that we did not write: people sign in at our server with its accounts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as client from 'openid-client'
import { request as send } from 'undici'
import { oidcProvider } from './strangers.mjs'
import { browser, jwt, now, secret, server, unescape } from './world.mjs'

const back = 'https://web.example.com/social'

// Goes through our pages and the stranger's. Returns where it ends: a URL that begins like this, such as the client's, or the text of a
// page of ours.
async function signIn(address, button, name, browse = browser(), until = back) {
  let [url, pressed] = [address, false]
  let page = await browse(url)
  for (let step = 0; step < 20; step++) {
    const onward = page.location ?? unescape(page.html.match(/http-equiv="refresh" content="0;url=([^"]*)"/)?.[1] ?? '')
    if (onward.startsWith(until)) return new URL(onward)
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
  await oidcProvider()
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

// RFC 8705, RFC 9449, RFC 7516, OpenID Connect RP-Initiated Logout 1.0: what the operator wants of the provider, it gets.
test('oidc-provider with a client certificate, bound tokens and encrypted ID tokens, and its sign-out', async () => {
  const { issuer, stranger: port } = await server()
  const site = await client.discovery(new URL(issuer), 'social-site', {}, client.ClientSecretBasic(secret))
  const begin = async () => {
    const pkceCodeVerifier = client.randomPKCECodeVerifier()
    const [expectedState, code_challenge] = [client.randomState(), await client.calculatePKCECodeChallenge(pkceCodeVerifier)]
    const request = { redirect_uri: back, scope: 'openid profile', state: expectedState, code_challenge, code_challenge_method: 'S256' }
    return [client.buildAuthorizationUrl(site, request).href, { pkceCodeVerifier, expectedState, idTokenExpected: true }]
  }
  const eve = browser()
  const [address, checks] = await begin()
  const answer = await signIn(address, 'use_upstream:strict', 'eve', eve)
  assert.ok(answer instanceof URL, answer)
  const tokens = await client.authorizationCodeGrant(site, answer, checks)
  const said = await client.fetchUserInfo(site, tokens.access_token, tokens.claims().sub)
  assert.equal(said.name, 'eve Example', 'from userinfo, with a proof')
  // The twin: a certificate of the same CA with another name.
  const [again] = await begin()
  assert.match(await signIn(again, 'use_upstream:strict-other', 'eve'), /That did not work/)
  // She signs out here, there, and is back here.
  let page = await eve(`${issuer}/logout`)
  let url = `${issuer}/logout`
  for (let step = 0; step < 12 && !page.html?.includes('You are signed out'); step++) {
    const onward = page.location ?? unescape(page.html.match(/http-equiv="refresh" content="0;url=([^"]*)"/)?.[1] ?? '')
    if (onward) {
      url = new URL(onward, url).href
      page = await eve(url)
      continue
    }
    const form = new URLSearchParams()
    for (const [tag] of page.html.matchAll(/<(input|button)[^>]*>/g)) {
      const field = tag.match(/ name="([^"]*)"/)?.[1]
      if (field && !form.has(field)) form.set(field, unescape(tag.match(/ value="([^"]*)"/)?.[1] ?? ''))
    }
    url = new URL(unescape(page.html.match(/<form[^>]* action="([^"]*)"/)[1]), url).href
    page = await eve(url, form)
  }
  assert.ok(url.startsWith(`${issuer}/upstream/strict/signed-out`), `${url} ${page.html}`)
  const there = await eve(`https://127.0.0.1:${port}/auth?${new URLSearchParams({ client_id: 'example-shop', response_type: 'code', scope: 'openid', prompt: 'none', redirect_uri: `${issuer}/upstream/stranger/callback`, code_challenge: 'A'.repeat(43), code_challenge_method: 'S256' })}`)
  assert.match(there.location, /error=login_required/)
})

// The SDK in an app: a public client of the provider's, which signs the person in there with the nonce of our step.
async function sdk(nonce, name) {
  const { stranger: port } = await server()
  const [verifier, there] = [client.randomPKCECodeVerifier(), `https://127.0.0.1:${port}`]
  const request = { client_id: 'example-sdk', redirect_uri: 'com.example.shop:/sdk', response_type: 'code', scope: 'openid profile', nonce }
  const more = { code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' }
  const answer = await signIn(`${there}/auth?${new URLSearchParams({ ...request, ...more })}`, '', name, browser(), 'com.example.shop:/sdk')
  const code = answer.searchParams.get('code')
  const body = new URLSearchParams({ grant_type: 'authorization_code', client_id: 'example-sdk', redirect_uri: request.redirect_uri, code, code_verifier: verifier })
  return (await fetch(`${there}/token`, { method: 'POST', body })).json()
}

// An app that draws its own screens, with the provider's SDK in it (docs/native.md, docs/social.md).
test('an ID token of oidc-provider answers a native step, and its access token does not', async () => {
  const { issuer, keys } = await server()
  const call = async (path, form) => {
    const claims = { iss: 'screens', sub: 'screens', aud: issuer, jti: client.randomState(), iat: now(), exp: now() + 60 }
    const client_assertion = await jwt(keys.bank.privateKey, {}, claims)
    const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
    const body = new URLSearchParams({ client_id: 'screens', client_assertion_type, client_assertion, ...form })
    // Not fetch, which would say that it is a browser's.
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const answer = await send(`${issuer}${path}`, { method: 'POST', body: body.toString(), headers })
    return { status: answer.statusCode, ...(await answer.body.json()) }
  }
  const step = async () => {
    const first = await call('/authorize-challenge', { response_type: 'code', scope: 'openid' })
    assert.equal(first.error, 'insufficient_authorization', JSON.stringify(first))
    const asked = await call('/authorize-challenge', { auth_session: first.auth_session, action: 'use_upstream:stranger' })
    assert.equal(asked.step?.operation?.name, 'id_token_get', JSON.stringify(asked))
    return asked
  }
  const give = (asked, token) =>
    call('/authorize-challenge', { auth_session: asked.auth_session, action: 'id_token', id_token: JSON.stringify({ id_token: token }) })
  const asked = await step()
  const tokens = await sdk(asked.step.operation.options.nonce, 'frank')
  const wrong = await give(asked, tokens.access_token)
  assert.equal(wrong.error, 'insufficient_authorization', JSON.stringify(wrong))
  // A token with another step's nonce is of no use either.
  const late = await give(await step(), tokens.id_token)
  assert.equal(late.error, 'insufficient_authorization', JSON.stringify(late))
  const again = await step()
  const done = await give(again, (await sdk(again.step.operation.options.nonce, 'frank')).id_token)
  assert.equal(done.status, 200, JSON.stringify(done))
  const redeemed = await call('/token', { grant_type: 'authorization_code', code: done.authorization_code })
  const { iss, sub } = JSON.parse(Buffer.from(redeemed.id_token.split('.')[1], 'base64url'))
  assert.equal(iss, issuer)
  // The browser leads to the same account.
  const site = await client.discovery(new URL(issuer), 'social-site', {}, client.ClientSecretBasic(secret))
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const request = { redirect_uri: back, scope: 'openid', code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256' }
  const answer = await signIn(client.buildAuthorizationUrl(site, request).href, 'use_upstream:stranger', 'frank')
  const other = await client.authorizationCodeGrant(site, answer, { pkceCodeVerifier, idTokenExpected: true })
  assert.equal(other.claims().sub, sub)
})
