// openid-client (npm): discovery, PAR, code with PKCE, userinfo, refresh, introspection, revocation and logout; DPoP with the library's own
// handling of nonces; private_key_jwt, JAR, JARM and signed introspection; tokens bound to a certificate; the device grant; CIBA.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerer, approver, person, refuses, secret, server, tampered } from './world.mjs'
import * as client from 'openid-client'

const deviceCode = 'urn:ietf:params:oauth:grant-type:device_code'

async function configured(id, metadata, authentication, more) {
  return client.discovery(new URL((await server()).issuer), id, metadata, authentication, more)
}

// The values of one sign-in: the request, and the checks of its answer.
async function signIn(redirect_uri, scope) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const [state, nonce] = [client.randomState(), client.randomNonce()]
  const code_challenge = await client.calculatePKCECodeChallenge(pkceCodeVerifier)
  return {
    parameters: { redirect_uri, scope, state, nonce, code_challenge, code_challenge_method: 'S256' },
    checks: { pkceCodeVerifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true },
  }
}

// Checks that the library itself refuses an answer.
const distrusts = (call, why) => assert.rejects(call, (error) => error instanceof client.ClientError && why.test(error.cause.message))

test('openid-client as a site: discovery to logout', async () => {
  const { issuer } = await server()
  const back = 'https://web.example.com/callback'
  const site = await configured('site', {}, client.ClientSecretBasic(secret))
  assert.equal(site.serverMetadata().issuer, issuer)
  assert.ok(site.serverMetadata().supportsPKCE())
  const { parameters, checks } = await signIn(back, 'openid email')
  const answer = await person(client.buildAuthorizationUrl(site, parameters), back)
  // Twins: the answer to another request, and an answer that names another server (RFC 9207).
  await distrusts(client.authorizationCodeGrant(site, answer, { ...checks, expectedState: 'another' }), /"state"/)
  const mixed = new URL(answer)
  mixed.searchParams.set('iss', 'https://other.example.com')
  await distrusts(client.authorizationCodeGrant(site, mixed, checks), /"iss"/)
  const tokens = await client.authorizationCodeGrant(site, answer, checks)
  const { sub } = tokens.claims()
  const me = await client.fetchUserInfo(site, tokens.access_token, sub)
  assert.deepEqual([me.email, me.email_verified], ['alice@example.com', true])
  const next = await client.refreshTokenGrant(site, tokens.refresh_token)
  assert.notEqual(next.refresh_token, tokens.refresh_token)
  const introspected = await client.tokenIntrospection(site, next.access_token)
  assert.deepEqual([introspected.active, introspected.sub], [true, sub])
  const impostor = await configured('site', {}, client.ClientSecretBasic('another secret'))
  await refuses(client.refreshTokenGrant(impostor, next.refresh_token), 401, 'invalid_client')
  await client.tokenRevocation(site, next.refresh_token)
  assert.equal((await client.tokenIntrospection(site, next.access_token)).active, false)
  await refuses(client.refreshTokenGrant(site, next.refresh_token), 400, 'invalid_grant')
  await refuses(client.fetchUserInfo(site, next.access_token, sub), 401, 'invalid_token')
  const logout = client.buildEndSessionUrl(site, { id_token_hint: tokens.id_token, post_logout_redirect_uri: back, state: 'bye' })
  const left = await fetch(logout, { redirect: 'manual' })
  assert.equal(left.headers.get('location'), `${back}?state=bye`)
})

// RFC 9126, RFC 9449: the server answers every first request with use_dpop_nonce, and the library repeats it by itself.
test('openid-client as an app: PAR and DPoP with nonces', async () => {
  const { issuer } = await server()
  const back = 'https://app.example.com/callback'
  const app = await configured('app', { dpop_bound_access_tokens: true }, client.None())
  const holding = async () => ({ DPoP: client.getDPoPHandle(app, await client.randomDPoPKeyPair('ES256')) })
  const held = await holding()
  const { parameters, checks } = await signIn(back, 'openid orders:read')
  const address = await client.buildAuthorizationUrlWithPAR(app, parameters, held)
  assert.deepEqual([...address.searchParams.keys()].sort(), ['client_id', 'request_uri'])
  const answer = await person(address, back)
  // The code is bound to the key of the proof at PAR.
  await refuses(client.authorizationCodeGrant(app, answer, { ...checks }, undefined, await holding()), 400, 'invalid_grant')
  const tokens = await client.authorizationCodeGrant(app, answer, checks, undefined, held)
  assert.equal(tokens.token_type, 'dpop')
  await refuses(client.refreshTokenGrant(app, tokens.refresh_token, undefined, await holding()), 400, 'invalid_grant')
  const own = await client.refreshTokenGrant(app, tokens.refresh_token, { resource: issuer }, held)
  const { sub } = tokens.claims()
  assert.equal((await client.fetchUserInfo(app, own.access_token, sub, held)).sub, sub)
  await refuses(client.fetchUserInfo(app, own.access_token, sub, await holding()), 401, 'invalid_token')
})

// RFC 7523, RFC 9101, JARM, RFC 9701, FAPI 2.0. The first push is also answered with use_dpop_nonce, and its request object is sent again.
test('openid-client as a bank: private_key_jwt, JAR, JARM', async () => {
  const { issuer, keys } = await server()
  const back = 'https://bank.example.com/callback'
  const key = keys.bank.privateKey
  const { privateKey: wrong } = await client.randomDPoPKeyPair('ES256')
  const metadata = { introspection_signed_response_alg: 'ES256' }
  const bank = await configured('bank', metadata, client.PrivateKeyJwt(key), { execute: [client.useJwtResponseMode] })
  const held = { DPoP: client.getDPoPHandle(bank, await client.randomDPoPKeyPair('ES256')) }
  const { parameters, checks } = await signIn(back, 'openid orders:read')
  const push = async (config, key) => {
    const signed = await client.buildAuthorizationUrlWithJAR(config, parameters, key)
    return client.buildAuthorizationUrlWithPAR(config, signed.searchParams, held)
  }
  const answer = await person(await push(bank, key), back)
  // Twins: a request and a client authentication that another key signed, and a request without a signature.
  await refuses(push(bank, wrong), 400, 'invalid_request_object')
  const impostor = await configured('bank', metadata, client.PrivateKeyJwt(wrong), { execute: [client.useJwtResponseMode] })
  await refuses(push(impostor, key), 401, 'invalid_client')
  await refuses(client.buildAuthorizationUrlWithPAR(bank, parameters, held), 400, 'invalid_request')
  assert.deepEqual([...answer.searchParams.keys()], ['response'])
  const changed = new URL(answer)
  changed.searchParams.set('response', tampered(answer.searchParams.get('response'), { code: 'another' }))
  await distrusts(client.authorizationCodeGrant(bank, changed, checks, undefined, held), /signature/)
  const tokens = await client.authorizationCodeGrant(bank, answer, checks, undefined, held)
  assert.equal(tokens.token_type, 'dpop')
  const next = await client.refreshTokenGrant(bank, tokens.refresh_token, undefined, held)
  assert.equal(next.refresh_token, tokens.refresh_token)
  const introspected = await client.tokenIntrospection(bank, next.access_token)
  assert.deepEqual([introspected.active, introspected.aud], [true, 'https://api.example.com/orders'])
  const own = await client.refreshTokenGrant(bank, tokens.refresh_token, { resource: issuer }, held)
  const { sub } = tokens.claims()
  assert.equal((await client.fetchUserInfo(bank, own.access_token, sub, held)).sub, sub)
  await client.tokenRevocation(bank, tokens.refresh_token)
  await refuses(client.refreshTokenGrant(bank, tokens.refresh_token, undefined, held), 400, 'invalid_grant')
})

// RFC 8628: the library starts, polls by itself, and gets tokens once the person has approved; or hears that the person refused.
test('openid-client as a television: device grant', async () => {
  const tv = await configured('tv', {}, client.None())
  const started = await client.initiateDeviceAuthorization(tv, { scope: 'openid orders:read' })
  assert.match(started.user_code, /^[B-Z]{4}-[B-Z]{4}$/)
  const [tokens, title] = await Promise.all([client.pollDeviceAuthorizationGrant(tv, started), approver(started, 'allow')])
  assert.equal(title, 'The device is signed in')
  assert.ok(tokens.claims().sub && tokens.claims().nonce === undefined)
  await client.refreshTokenGrant(tv, tokens.refresh_token)
  await refuses(client.genericGrantRequest(tv, deviceCode, { device_code: started.device_code }), 400, 'invalid_grant')
  const refused = await client.initiateDeviceAuthorization(tv, { scope: 'openid orders:read' })
  await Promise.all([refuses(client.pollDeviceAuthorizationGrant(tv, refused), 400, 'access_denied'), approver(refused, 'not_mine')])
})

// CIBA Core 1.0: the library asks, polls by itself, and gets tokens once the person has approved; or hears that the person refused.
test('openid-client as a call centre: CIBA', async () => {
  const { issuer } = await server()
  const desk = await configured('desk', {}, client.ClientSecretBasic(secret))
  const ask = (binding_message) =>
    client.initiateBackchannelAuthentication(desk, { scope: 'openid orders:read', login_hint: 'alice@example.com', binding_message })
  const asked = await ask('K7-41')
  assert.equal(asked.interval, 5)
  const [tokens, [title, read]] = await Promise.all([client.pollBackchannelAuthenticationGrant(desk, asked), answerer(issuer, 'allow')])
  assert.equal(title, 'You have approved')
  assert.match(read, /K7-41/)
  assert.ok(tokens.claims().sub && tokens.claims().nonce === undefined)
  await client.refreshTokenGrant(desk, tokens.refresh_token)
  const refused = await ask('K7-42')
  await Promise.all([refuses(client.pollBackchannelAuthenticationGrant(desk, refused), 400, 'access_denied'), answerer(issuer, 'deny')])
})

// RFC 8705: a client that authenticates by its certificate, and tokens that are bound to it, at the listener that asks for certificates.
for (const id of ['mutual', 'registered']) {
  test(`openid-client shows a certificate: ${id}`, async () => {
    const world = await server()
    const back = 'https://bank.example.com/mutual'
    const showing = (name) =>
      configured(id, { use_mtls_endpoint_aliases: true }, client.TlsClientAuth(), { [client.customFetch]: name ? world.fetch(name) : fetch })
    const [own, other, none] = await Promise.all([id, 'other', null].map(showing))
    const { parameters, checks } = await signIn(back, 'openid orders:read')
    for (const it of [other, none]) await refuses(client.buildAuthorizationUrlWithPAR(it, parameters), 401, 'invalid_client')
    const answer = await person(await client.buildAuthorizationUrlWithPAR(own, parameters), back)
    for (const it of [other, none]) await refuses(client.authorizationCodeGrant(it, answer, { ...checks }), 401, 'invalid_client')
    const tokens = await client.authorizationCodeGrant(own, answer, checks)
    const { sub } = tokens.claims()
    const fresh = await client.refreshTokenGrant(own, tokens.refresh_token, { resource: world.issuer })
    assert.equal((await client.fetchUserInfo(own, fresh.access_token, sub)).sub, sub)
    for (const it of [other, none]) await refuses(client.fetchUserInfo(it, fresh.access_token, sub), 401, 'invalid_token')
    const introspected = await client.tokenIntrospection(own, fresh.access_token)
    assert.ok(introspected.active && introspected.cnf['x5t#S256'])
  })
}
