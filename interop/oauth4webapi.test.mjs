// oauth4webapi (npm) as a confidential web client: discovery, PAR, code with PKCE, ID token, userinfo, refresh,
// introspection, revocation, logout; as an app that proves a key (DPoP); as a bank (FAPI 2.0: private_key_jwt, JAR, JARM, DPoP,
// signed introspection); as clients that show a certificate (RFC 8705); and as an attested app in both proof modes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerer, approver, jwt, now, person, refuses, secret, server, tampered } from './world.mjs'
import * as oauth from 'oauth4webapi'

async function discovered() {
  const issuer = new URL((await server()).issuer)
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer))
}

// The server asks for a nonce once. The library keeps it.
async function again(request, process) {
  try {
    return await process(await request())
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    return process(await request())
  }
}

// The values of one sign-in.
async function signIn(redirect_uri, scope, more) {
  const verifier = oauth.generateRandomCodeVerifier()
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()]
  const code_challenge = await oauth.calculatePKCECodeChallenge(verifier)
  const parameters = { response_type: 'code', redirect_uri, scope, state, nonce, code_challenge, code_challenge_method: 'S256', ...more }
  return { verifier, state, nonce, parameters: new URLSearchParams(parameters) }
}

// One client: the library's calls with the newest nonce.
function calls(as, client, authentication, options) {
  const push = (parameters) =>
    again(
      () => oauth.pushedAuthorizationRequest(as, client, authentication, parameters, options),
      (it) => oauth.processPushedAuthorizationResponse(as, client, it),
    )
  const redeem = (answered, back, verifier, checks) =>
    again(
      () => oauth.authorizationCodeGrantRequest(as, client, authentication, answered, back, verifier, options),
      (it) => oauth.processAuthorizationCodeResponse(as, client, it, checks),
    )
  const refresh = (token, additionalParameters) =>
    again(
      () => oauth.refreshTokenGrantRequest(as, client, authentication, token, { ...options, additionalParameters }),
      (it) => oauth.processRefreshTokenResponse(as, client, it),
    )
  const userinfo = (token, subject) =>
    again(
      () => oauth.userInfoRequest(as, client, token, options),
      (it) => oauth.processUserInfoResponse(as, client, subject, it),
    )
  const address = (request_uri) => Object.assign(new URL(as.authorization_endpoint), { search: new URLSearchParams({ client_id: client.client_id, request_uri }) })
  return { push, redeem, refresh, userinfo, address }
}

test('oauth4webapi completes every flow it has with us', async () => {
  const { issuer } = await server()
  for (const algorithm of ['oauth2', 'oidc']) {
    const found = await oauth.discoveryRequest(new URL(issuer), { algorithm })
    assert.equal((await oauth.processDiscoveryResponse(new URL(issuer), found)).issuer, issuer)
  }
  const as = await discovered()
  const client = { client_id: 'site' }
  const back = 'https://web.example.com/callback'
  const authentication = oauth.ClientSecretBasic(secret)
  const { push, redeem, refresh, userinfo, address } = calls(as, client, authentication)
  const { verifier, state, nonce, parameters } = await signIn(back, 'openid email', { max_age: '600' })
  const { request_uri } = await push(parameters)
  const answered = oauth.validateAuthResponse(as, client, await person(address(request_uri), back), state)
  const tokens = await redeem(answered, back, verifier, { expectedNonce: nonce, maxAge: 600, requireIdToken: true })
  const claims = oauth.getValidatedIdTokenClaims(tokens)
  assert.equal((await userinfo(tokens.access_token, claims.sub)).email, 'alice@example.com')
  const next = await refresh(tokens.refresh_token)
  assert.notEqual(next.refresh_token, tokens.refresh_token)
  const introspect = async (token) => {
    const asked = await oauth.introspectionRequest(as, client, authentication, token)
    return (await oauth.processIntrospectionResponse(as, client, asked)).active
  }
  assert.equal(await introspect(next.access_token), true)
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, authentication, next.refresh_token))
  assert.equal(await introspect(next.access_token), false)
  const logout = new URL(as.end_session_endpoint)
  logout.search = new URLSearchParams({ id_token_hint: tokens.id_token, post_logout_redirect_uri: back, state: 'bye' })
  const left = await fetch(logout, { redirect: 'manual' })
  assert.equal(left.headers.get('location'), `${back}?state=bye`)
})

// RFC 9449: PAR, code, refresh and userinfo with proofs. The library learns the server's nonces from its answers.
test('oauth4webapi proves a key with every request', async () => {
  const { issuer } = await server()
  const as = await discovered()
  const client = { client_id: 'app', dpop_bound_access_tokens: true }
  const back = 'https://app.example.com/callback'
  const holding = async () => calls(as, client, oauth.None(), { DPoP: oauth.DPoP(client, await oauth.generateKeyPair('ES256')) })
  const { push, redeem, refresh, userinfo, address } = await holding()
  const { verifier, state, parameters } = await signIn(back, 'openid orders:read')
  parameters.delete('nonce')
  const { request_uri } = await push(parameters)
  const answered = oauth.validateAuthResponse(as, client, await person(address(request_uri), back), state)
  const tokens = await redeem(answered, back, verifier)
  assert.equal(tokens.token_type, 'dpop')
  const next = await refresh(tokens.refresh_token)
  const own = await refresh(next.refresh_token, { resource: issuer })
  assert.ok((await userinfo(own.access_token, oauth.skipSubjectCheck)).sub)
  // The twin: another key is refused.
  const thief = await holding()
  await refuses(thief.refresh(own.refresh_token), 400, 'invalid_grant')
})

// FAPI 2.0: the client signs its authentication and its pushed request, the answer is signed, and tokens are bound to a key.
test('oauth4webapi as a bank', async () => {
  const { keys } = await server()
  const as = await discovered()
  const client = { client_id: 'bank' }
  const back = 'https://bank.example.com/callback'
  const { privateKey: key } = keys.bank
  const authentication = oauth.PrivateKeyJwt(key)
  const options = { DPoP: oauth.DPoP(client, await oauth.generateKeyPair('ES256')) }
  const { push, redeem, refresh, address } = calls(as, client, authentication, options)
  const { verifier, state, nonce, parameters } = await signIn(back, 'openid orders:read', { response_mode: 'jwt' })
  const signed = async (key) => new URLSearchParams({ request: await oauth.issueRequestObject(as, client, parameters, key) })
  await refuses(push(parameters), 400, 'invalid_request')
  // Twins: a request and a client authentication with keys that are not the bank's.
  const { privateKey: wrong } = await oauth.generateKeyPair('ES256')
  await refuses(push(await signed(wrong)), 400, 'invalid_request_object')
  const impostor = calls(as, client, oauth.PrivateKeyJwt(wrong), options)
  await refuses(impostor.push(await signed(key)), 401, 'invalid_client')
  const { request_uri } = await push(await signed(key))
  const answer = await person(address(request_uri), back)
  assert.deepEqual([...answer.searchParams.keys()], ['response'])
  const changed = new URL(answer)
  changed.searchParams.set('response', tampered(answer.searchParams.get('response'), { code: 'another' }))
  await assert.rejects(oauth.validateJwtAuthResponse(as, client, changed, state), /signature/)
  const answered = await oauth.validateJwtAuthResponse(as, client, answer, state)
  const tokens = await redeem(answered, back, verifier, { expectedNonce: nonce, requireIdToken: true })
  assert.equal(tokens.token_type, 'dpop')
  assert.equal((await refresh(tokens.refresh_token)).refresh_token, tokens.refresh_token)
  await refresh(tokens.refresh_token)
  const asked = await oauth.introspectionRequest(as, client, authentication, tokens.access_token, { requestJwtResponse: true })
  assert.match(asked.headers.get('content-type'), /application\/token-introspection\+jwt/)
  assert.equal((await oauth.processIntrospectionResponse(as, client, asked)).active, true)
})

// RFC 8628.
test('oauth4webapi completes the device grant', async () => {
  const as = await discovered()
  const client = { client_id: 'tv' }
  const asked = await oauth.deviceAuthorizationRequest(as, client, oauth.None(), new URLSearchParams({ scope: 'openid orders:read' }))
  const started = await oauth.processDeviceAuthorizationResponse(as, client, asked)
  const poll = async () =>
    oauth.processDeviceCodeResponse(as, client, await oauth.deviceCodeGrantRequest(as, client, oauth.None(), started.device_code))
  await refuses(poll(), 400, 'authorization_pending')
  assert.equal(await approver(started, 'allow'), 'The device is signed in')
  const tokens = await poll()
  assert.ok(oauth.getValidatedIdTokenClaims(tokens).auth_time)
  await refuses(poll(), 400, 'invalid_grant')
})

// CIBA Core 1.0, by polling.
test('oauth4webapi completes CIBA', async () => {
  const { issuer } = await server()
  const as = await discovered()
  const client = { client_id: 'desk' }
  const authentication = oauth.ClientSecretBasic(secret)
  const parameters = new URLSearchParams({ scope: 'openid orders:read', login_hint: 'alice@example.com', binding_message: 'K7-43' })
  const asked = await oauth.backchannelAuthenticationRequest(as, client, authentication, parameters)
  const { auth_req_id } = await oauth.processBackchannelAuthenticationResponse(as, client, asked)
  const poll = async () =>
    oauth.processBackchannelAuthenticationGrantResponse(
      as,
      client,
      await oauth.backchannelAuthenticationGrantRequest(as, client, authentication, auth_req_id),
    )
  await refuses(poll(), 400, 'authorization_pending')
  assert.equal((await answerer(issuer, 'allow'))[0], 'You have approved')
  assert.ok(oauth.getValidatedIdTokenClaims(await poll()).auth_time)
})

// RFC 8705: authentication and tokens by a certificate in a real handshake, at the aliases of the second listener.
for (const client_id of ['mutual', 'registered']) {
  test(`oauth4webapi shows a certificate: ${client_id}`, async () => {
    const world = await server()
    const as = await discovered()
    const client = { client_id, use_mtls_endpoint_aliases: true }
    const back = 'https://bank.example.com/mutual'
    const showing = (name) => calls(as, client, oauth.TlsClientAuth(), { [oauth.customFetch]: name ? world.fetch(name) : fetch })
    const { push, redeem, refresh, userinfo, address } = showing(client_id)
    const { verifier, state, nonce, parameters } = await signIn(back, 'openid orders:read')
    // Another certificate, and none.
    for (const name of ['other', null]) await refuses(showing(name).push(parameters), 401, 'invalid_client')
    const { request_uri } = await push(parameters)
    const answered = oauth.validateAuthResponse(as, client, await person(address(request_uri), back), state)
    const tokens = await redeem(answered, back, verifier, { expectedNonce: nonce, requireIdToken: true })
    assert.equal(tokens.token_type, 'bearer')
    const own = await refresh(tokens.refresh_token, { resource: world.issuer })
    const { sub } = oauth.getValidatedIdTokenClaims(tokens)
    assert.equal((await userinfo(own.access_token, sub)).sub, sub)
    for (const name of ['other', null]) {
      await refuses(showing(name).userinfo(own.access_token, sub), 401, 'invalid_token')
      await refuses(showing(name).refresh(tokens.refresh_token), 401, 'invalid_client')
    }
  })
}

// draft-ietf-oauth-attestation-based-client-auth by the library's custom client authentication.
for (const mode of ['dpop', 'pop']) {
  test(`oauth4webapi as an attested app, proving its key by ${mode}`, async () => {
    const { issuer, keys } = await server()
    const as = await discovered()
    const client = { client_id: mode === 'dpop' ? 'attested' : 'attested-pop' }
    const back = 'https://app.example.com/attested'
    const pair = await oauth.generateKeyPair('ES256')
    const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', pair.publicKey)
    const attestation = await jwt(keys.attester.privateKey, { typ: 'oauth-client-attestation+jwt' }, {
      sub: client.client_id, iat: now(), exp: now() + 3600, cnf: { jwk: { kty, crv, x, y } },
    })
    const challenged = await fetch(as.challenge_endpoint, { method: 'POST' })
    const challenge = (await challenged.json()).attestation_challenge
    const attested = async (as, client, body, headers) => {
      body.set('client_id', client.client_id)
      headers.set('oauth-client-attestation', attestation)
      if (mode === 'pop') {
        const claims = { aud: issuer, iat: now(), jti: oauth.generateRandomNonce(), challenge }
        headers.set('oauth-client-attestation-pop', await jwt(pair.privateKey, { typ: 'oauth-client-attestation-pop+jwt' }, claims))
      }
    }
    const options = mode === 'dpop' ? { DPoP: oauth.DPoP(client, pair) } : {}
    const { push, redeem, refresh, address } = calls(as, client, attested, options)
    // The twin: the same app without an attestation.
    const bare = calls(as, client, oauth.None(), options)
    const { verifier, state, nonce, parameters } = await signIn(back, 'openid orders:read')
    await refuses(bare.push(parameters), 401, 'invalid_client')
    const { request_uri } = await push(parameters)
    const answered = oauth.validateAuthResponse(as, client, await person(address(request_uri), back), state)
    const tokens = await redeem(answered, back, verifier, { expectedNonce: nonce })
    assert.equal(tokens.token_type, mode === 'dpop' ? 'dpop' : 'bearer')
    const next = await refresh(tokens.refresh_token)
    assert.ok(next.access_token)
    await refuses(bare.refresh(next.refresh_token), 401, 'invalid_client')
  })
}
