// oauth4webapi (npm) as a confidential web client: discovery, PAR, code with PKCE, ID token, userinfo, refresh,
// introspection, revocation, logout; as an app that proves a key (DPoP); as a bank (FAPI 2.0: private_key_jwt, JAR, JARM, DPoP,
// signed introspection); and as an attested app in both proof modes. The server is the demo's; the person's browser is a few lines of fetch.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import * as oauth from 'oauth4webapi'

const insecure = { [oauth.allowInsecureRequests]: true }
const back = 'https://web.example.com/callback'
const secret = 'a-demonstration-secret-of-the-web-client'

// One demo for all of them.
let running
const demo = () => (running ??= start())
after(async () => (await running)?.stop())

async function start() {
  const child = spawn(process.env.SYMBOLON_DEMO, [], { stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const line of createInterface({ input: child.stdout })) {
    const found = line.match(/^The server itself is at (.*)\/ /)
    if (!found) continue
    child.stdout.resume()
    return { issuer: new URL(found[1]), text: found[1], stop: () => (child.kill(), once(child, 'exit')) }
  }
  throw new Error('the demo did not come up')
}

const unescape = (it) => it.replaceAll('&#x2f;', '/').replaceAll('&quot;', '"').replaceAll('&amp;', '&')

// Signs alice in through the pages; answers the URL at which the client takes over.
async function person(address, claimed = back) {
  const cookies = new Map()
  let request = [address, {}]
  for (let step = 0; step < 6; step++) {
    const cookie = [...cookies].map((it) => it.join('=')).join('; ')
    const [url, options] = request
    const answer = await fetch(url, { ...options, redirect: 'manual', headers: { cookie } })
    for (const line of answer.headers.getSetCookie()) cookies.set(...line.split(';')[0].split(/=(.*)/s).slice(0, 2))
    const location = answer.headers.get('location')
    if (location?.startsWith(claimed)) return new URL(location)
    const html = await answer.text()
    assert.equal(answer.status, 200, html)
    const body = new URLSearchParams()
    for (const [tag] of html.matchAll(/<(input|button)[^>]*>/g)) {
      const name = tag.match(/ name="([^"]*)"/)?.[1]
      if (name && !body.has(name)) body.set(name, unescape(tag.match(/ value="([^"]*)"/)?.[1] ?? ''))
    }
    if (body.has('username')) body.set('username', 'alice'), body.set('password', 'open sesame, please')
    request = [unescape(html.match(/<form[^>]* action="([^"]*)"/)[1]), { method: 'POST', body }]
  }
  throw new Error('the sign-in does not end')
}

test('oauth4webapi completes every flow it has with us', async () => {
  const { issuer, text } = await demo()
  for (const algorithm of ['oauth2', 'oidc']) {
    const found = await oauth.discoveryRequest(issuer, { algorithm, ...insecure })
    assert.equal((await oauth.processDiscoveryResponse(issuer, found)).issuer, text)
  }
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure))
  assert.equal(as.issuer, text)
  const client = { client_id: 'shop-web' }
  const authentication = oauth.ClientSecretBasic(secret)
  const verifier = oauth.generateRandomCodeVerifier()
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()]
  const parameters = new URLSearchParams({
    response_type: 'code',
    redirect_uri: back,
    scope: 'openid email',
    state,
    nonce,
    max_age: '600',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  })
  const pushed = await oauth.pushedAuthorizationRequest(as, client, authentication, parameters, insecure)
  const { request_uri } = await oauth.processPushedAuthorizationResponse(as, client, pushed)
  const address = new URL(as.authorization_endpoint)
  address.search = new URLSearchParams({ client_id: client.client_id, request_uri })
  const answered = oauth.validateAuthResponse(as, client, await person(address), state)
  const granted = await oauth.authorizationCodeGrantRequest(as, client, authentication, answered, back, verifier, insecure)
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, granted, { expectedNonce: nonce, maxAge: 600, requireIdToken: true })
  const claims = oauth.getValidatedIdTokenClaims(tokens)
  const me = await oauth.userInfoRequest(as, client, tokens.access_token, insecure)
  assert.equal((await oauth.processUserInfoResponse(as, client, claims.sub, me)).email, 'alice@example.com')
  const refreshed = await oauth.refreshTokenGrantRequest(as, client, authentication, tokens.refresh_token, insecure)
  const next = await oauth.processRefreshTokenResponse(as, client, refreshed)
  assert.notEqual(next.refresh_token, tokens.refresh_token)
  const introspect = async (token) => {
    const asked = await oauth.introspectionRequest(as, client, authentication, token, insecure)
    return (await oauth.processIntrospectionResponse(as, client, asked)).active
  }
  assert.equal(await introspect(next.access_token), true)
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, authentication, next.refresh_token, insecure))
  assert.equal(await introspect(next.access_token), false)
  const logout = new URL(as.end_session_endpoint)
  logout.search = new URLSearchParams({ id_token_hint: tokens.id_token, post_logout_redirect_uri: back, state: 'bye' })
  const left = await fetch(logout, { redirect: 'manual' })
  assert.equal(left.headers.get('location'), `${back}?state=bye`)
})

// RFC 9449: PAR, code, refresh and userinfo with proofs; the server's nonces are learnt on the way.
test('oauth4webapi proves a key with every request', async () => {
  const { issuer } = await demo()
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure))
  const client = { client_id: 'shop-phone-2', dpop_bound_access_tokens: true }
  const claimed = 'https://app.example.com/callback-2'
  const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))
  const options = { DPoP, ...insecure }
  // A nonce is asked for once; the library keeps it.
  const again = async (request, process) => {
    try {
      return await process(await request())
    } catch (error) {
      if (!oauth.isDPoPNonceError(error)) throw error
      return process(await request())
    }
  }
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const parameters = new URLSearchParams({
    response_type: 'code',
    redirect_uri: claimed,
    scope: 'openid orders:read',
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  })
  const none = oauth.None()
  const { request_uri } = await again(
    () => oauth.pushedAuthorizationRequest(as, client, none, parameters, options),
    (it) => oauth.processPushedAuthorizationResponse(as, client, it),
  )
  const address = new URL(as.authorization_endpoint)
  address.search = new URLSearchParams({ client_id: client.client_id, request_uri })
  const answered = oauth.validateAuthResponse(as, client, await person(address, claimed), state)
  const tokens = await again(
    () => oauth.authorizationCodeGrantRequest(as, client, none, answered, claimed, verifier, options),
    (it) => oauth.processAuthorizationCodeResponse(as, client, it),
  )
  assert.equal(tokens.token_type, 'dpop')
  const next = await again(
    () => oauth.refreshTokenGrantRequest(as, client, none, tokens.refresh_token, options),
    (it) => oauth.processRefreshTokenResponse(as, client, it),
  )
  const parameter = { additionalParameters: { resource: issuer.href.replace(/\/$/, '') } }
  const own = await again(
    () => oauth.refreshTokenGrantRequest(as, client, none, next.refresh_token, { ...options, ...parameter }),
    (it) => oauth.processRefreshTokenResponse(as, client, it),
  )
  const me = await again(
    () => oauth.userInfoRequest(as, client, own.access_token, options),
    (it) => oauth.processUserInfoResponse(as, client, oauth.skipSubjectCheck, it),
  )
  assert.ok(me.sub)
  // The twin: another key gets nothing.
  const thief = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))
  const stolen = again(
    () => oauth.refreshTokenGrantRequest(as, client, none, own.refresh_token, { ...options, DPoP: thief }),
    (it) => oauth.processRefreshTokenResponse(as, client, it),
  )
  await assert.rejects(stolen, (error) => error.error === 'invalid_grant')
})

// The key of the demo's bank and of the demo's attester: for demonstrations.
const jwk = {"kty": "EC", "crv": "P-256", "x": "O8ewdOcwOiAyO5aJdqNuLmnAhtrcR3kynVjXMTXhEZE", "y": "pKTc2iDnhQY725xfky7S3rEczsueZizbYiTheNhdNt4", "d": "l00OBu0X67Zynal-ggIlYd0lWyaDtQiurcA8K0qlh4s"}
const es256 = { name: 'ECDSA', namedCurve: 'P-256' }
const known = () => crypto.subtle.importKey('jwk', jwk, es256, true, ['sign'])

async function again(request, process) {
  try {
    return await process(await request())
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    return process(await request())
  }
}

// FAPI 2.0: a signed request is pushed by a client that signs, the answer is signed, tokens are bound to a key.
test('oauth4webapi as a bank', async () => {
  const { issuer } = await demo()
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure))
  const client = { client_id: 'shop-bank' }
  const claimed = 'https://bank.example.com/callback'
  const key = await known()
  const authentication = oauth.PrivateKeyJwt(key)
  const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))
  const options = { DPoP, ...insecure }
  const verifier = oauth.generateRandomCodeVerifier()
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()]
  const parameters = {
    response_type: 'code',
    response_mode: 'jwt',
    redirect_uri: claimed,
    scope: 'openid orders:read',
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  }
  const push = async (body) =>
    again(
      () => oauth.pushedAuthorizationRequest(as, client, authentication, body, options),
      (it) => oauth.processPushedAuthorizationResponse(as, client, it),
    )
  const signed = async () => new URLSearchParams({ request: await oauth.issueRequestObject(as, client, parameters, key) })
  await assert.rejects(push(new URLSearchParams(parameters)), (error) => error.error === 'invalid_request')
  // The nonce is known from here on, so that no request object is sent twice.
  const { request_uri } = await push(await signed())
  const address = new URL(as.authorization_endpoint)
  address.search = new URLSearchParams({ client_id: client.client_id, request_uri })
  const back = await person(address, claimed)
  assert.deepEqual([...back.searchParams.keys()], ['response'])
  const answered = await oauth.validateJwtAuthResponse(as, client, back, state, insecure)
  const tokens = await again(
    () => oauth.authorizationCodeGrantRequest(as, client, authentication, answered, claimed, verifier, options),
    (it) => oauth.processAuthorizationCodeResponse(as, client, it, { expectedNonce: nonce, requireIdToken: true }),
  )
  assert.equal(tokens.token_type, 'dpop')
  const refreshed = async () =>
    again(
      () => oauth.refreshTokenGrantRequest(as, client, authentication, tokens.refresh_token, options),
      (it) => oauth.processRefreshTokenResponse(as, client, it),
    )
  assert.equal((await refreshed()).refresh_token, tokens.refresh_token)
  await refreshed()
  const asked = await oauth.introspectionRequest(as, client, authentication, tokens.access_token, { requestJwtResponse: true, ...insecure })
  assert.match(asked.headers.get('content-type'), /application\/token-introspection\+jwt/)
  assert.equal((await oauth.processIntrospectionResponse(as, client, asked)).active, true)
})

const encode = (it) => Buffer.from(typeof it === 'string' ? it : JSON.stringify(it)).toString('base64url')
async function jwt(key, header, claims) {
  const signed = `${encode({ alg: 'ES256', ...header })}.${encode(claims)}`
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key, Buffer.from(signed))
  return `${signed}.${Buffer.from(signature).toString('base64url')}`
}

// draft-ietf-oauth-attestation-based-client-auth by the library's custom client authentication.
for (const mode of ['dpop', 'pop']) {
  test(`oauth4webapi as an attested app, proving its key by ${mode}`, async () => {
    const { issuer, text } = await demo()
    const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure))
    const client = { client_id: mode === 'dpop' ? 'shop-attested' : 'shop-attested-pop' }
    const claimed = 'https://app.example.com/attested'
    const pair = await oauth.generateKeyPair('ES256')
    const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', pair.publicKey)
    const now = () => Math.floor(Date.now() / 1000)
    const attestation = await jwt(await known(), { typ: 'oauth-client-attestation+jwt' }, {
      sub: client.client_id, iat: now(), exp: now() + 3600, cnf: { jwk: { kty, crv, x, y } },
    })
    const challenged = await fetch(as.challenge_endpoint, { method: 'POST' })
    let challenge = (await challenged.json()).attestation_challenge
    const attested = async (as, client, body, headers) => {
      body.set('client_id', client.client_id)
      headers.set('oauth-client-attestation', attestation)
      if (mode === 'pop') {
        const claims = { aud: text, iat: now(), jti: oauth.generateRandomNonce(), challenge }
        headers.set('oauth-client-attestation-pop', await jwt(pair.privateKey, { typ: 'oauth-client-attestation-pop+jwt' }, claims))
      }
    }
    const options = { ...insecure, ...(mode === 'dpop' ? { DPoP: oauth.DPoP(client, pair) } : {}) }
    const verifier = oauth.generateRandomCodeVerifier()
    const state = oauth.generateRandomState()
    const parameters = new URLSearchParams({
      response_type: 'code', redirect_uri: claimed, scope: 'openid orders:read', state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
    })
    const push = (authentication) =>
      again(
        () => oauth.pushedAuthorizationRequest(as, client, authentication, parameters, options),
        (it) => oauth.processPushedAuthorizationResponse(as, client, it),
      )
    // The twin: the same app without an attestation.
    await assert.rejects(push(oauth.None()), (error) => error.status === 401)
    const { request_uri } = await push(attested)
    const address = new URL(as.authorization_endpoint)
    address.search = new URLSearchParams({ client_id: client.client_id, request_uri })
    const answered = oauth.validateAuthResponse(as, client, await person(address, claimed), state)
    const tokens = await again(
      () => oauth.authorizationCodeGrantRequest(as, client, attested, answered, claimed, verifier, options),
      (it) => oauth.processAuthorizationCodeResponse(as, client, it),
    )
    assert.equal(tokens.token_type, mode === 'dpop' ? 'dpop' : 'bearer')
    const next = await again(
      () => oauth.refreshTokenGrantRequest(as, client, attested, tokens.refresh_token, options),
      (it) => oauth.processRefreshTokenResponse(as, client, it),
    )
    assert.ok(next.access_token)
    const bare = again(
      () => oauth.refreshTokenGrantRequest(as, client, oauth.None(), next.refresh_token, options),
      (it) => oauth.processRefreshTokenResponse(as, client, it),
    )
    await assert.rejects(bare, (error) => error.status === 401)
  })
}
