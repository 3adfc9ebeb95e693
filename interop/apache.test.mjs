// Apache from Debian. mod_auth_openidc (2.4.12) signs a person in and protects a page. mod_oauth2 (3.3.1) stands in front of APIs: it checks
// JWTs by our key set, opaque tokens by introspection, and tokens that are bound to a key (DPoP) or to a certificate (mutual TLS).
//
// The following is not tested, because these versions cannot do it. mod_oauth2 does not check `ath`, so that a proof works for every token of
// its key. It gives no nonces, but it accepts each `jti` once. It cannot look for one scope among several. Its introspection reads no signed
// answers (RFC 9701). mod_auth_openidc has neither PAR nor JARM nor DPoP. Its older resource server (oauth20) supports neither DPoP nor
// certificates.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { answers, binary, browser, fill, jwt, now, person, secret, server, tampered } from './world.mjs'
import * as client from 'openid-client'

const modules = '/usr/lib/apache2/modules'

// One Apache for all tests: a private instance in the server's directory, on its own port.
let running
const apache = () => (running ??= start())

async function start() {
  for (const it of ['mod_auth_openidc', 'mod_oauth2'])
    assert.ok(existsSync(`${modules}/${it}.so`), `${it} is missing: apt-get install apache2-bin libapache2-mod-auth-openidc libapache2-mod-oauth2`)
  const { issuer, directory, at, apache: port, children } = await server()
  // Its workers run as another user.
  chmodSync(directory, 0o711)
  mkdirSync(at('pages'))
  writeFileSync(at('pages/page'), 'a page\n')
  const verify = 'jwks_uri.ssl_verify=false&verify.exp=required&verify.iat=required&expiry=0'
  const passphrase = client.randomState()
  const values = { directory, modules, port, issuer, secret, verify, passphrase }
  writeFileSync(at('apache.conf'), fill(readFileSync(new URL('apache.conf', import.meta.url), 'utf8'), values))
  const child = spawn('/usr/sbin/apache2', ['-f', at('apache.conf'), '-DFOREGROUND'], { stdio: ['ignore', 'ignore', 'inherit'] })
  children.push(child)
  const base = `https://127.0.0.1:${port}`
  await answers(base, child)
  return base
}

// Calls an API with a token. Returns the caller that the API names, or its error.
async function call(path, token, { scheme = 'Bearer', proof, by = fetch } = {}) {
  const headers = { ...(token && { authorization: `${scheme} ${token}` }), ...(proof && { dpop: proof }) }
  const answer = await by(`${await apache()}${path}`, { headers })
  if (answer.status === 200) return answer.headers.get('who')
  return `${answer.status} ${answer.headers.get('www-authenticate')?.match(/error="(\w+)"/)?.[1]}`
}

const robot = async () => client.discovery(new URL((await server()).issuer), 'robot', {}, client.ClientSecretBasic(secret))
const grant = async (scope, options) => (await client.clientCredentialsGrant(await robot(), { scope }, options)).access_token

// Begins to sign in at the page. Returns the browser, and the address to which it came back.
async function visit() {
  const base = await apache()
  const browse = browser()
  const sent = await browse(`${base}/private/page`)
  assert.equal(sent.status, 302)
  assert.equal(new URL(sent.location).searchParams.get('code_challenge_method'), 'S256')
  return { base, browse, back: await person(sent.location, `${base}/private/back`) }
}

test('mod_auth_openidc signs a person in, keeps the page from others, and signs out', async () => {
  const { base, browse, back } = await visit()
  // Without a session, a program is refused and a browser is sent to our server.
  assert.equal((await fetch(`${base}/private/page`, { redirect: 'manual' })).status, 401)
  assert.equal((await browser()(`${base}/private/page`)).status, 302)
  const landed = await browse(back)
  assert.deepEqual([landed.status, landed.location], [302, `${base}/private/page`])
  const page = await browse(landed.location)
  assert.deepEqual([page.status, page.who, page.html], [200, 'alice@example.com', 'a page\n'])
  // Another person's page.
  assert.equal((await browse(`${base}/private/bob`)).status, 401)
  const away = `${base}/goodbye`
  const left = await browse(`${base}/private/back?${new URLSearchParams({ logout: away })}`)
  const { issuer } = await server()
  assert.ok(left.location.startsWith(`${issuer}/logout?`), left.location)
  assert.equal((await browser()(left.location)).location, away)
  assert.equal((await browse(`${base}/private/page`)).status, 302)
})

test('mod_auth_openidc refuses an answer that is another browser\'s or another server\'s', async () => {
  const { browse, back } = await visit()
  assert.equal((await browser()(back)).status, 400)
  assert.equal((await browse(back)).status, 302)
  const { base, browse: another, back: answer } = await visit()
  answer.searchParams.set('iss', 'https://other.example.com')
  await another(answer)
  assert.equal((await another(`${base}/private/page`)).status, 302)
})

// OpenID Connect Back-Channel Logout 1.0: the operator ends alice's sessions, our server tells the site, and the site forgets her.
test('mod_auth_openidc hears of a session that ended', async () => {
  const { browse, back } = await visit()
  const { location } = await browse(back)
  const page = async () => (await browse(location)).status
  assert.equal(await page(), 200)
  const { directory } = await server()
  execFileSync(binary, ['user', 'end-sessions', 'alice'], { cwd: directory, stdio: 'pipe' })
  for (let tries = 0; tries < 100 && (await page()) === 200; tries++) await sleep(200)
  assert.equal(await page(), 302)
})

// The same calls for mod_oauth2, and for the older resource server of mod_auth_openidc.
for (const path of ['/orders', '/orders20']) {
  test(`a JWT by our key set is accepted, and no other: ${path}`, async () => {
    const token = await grant('orders:read')
    assert.equal(await call(path, token), 'robot')
    assert.equal(await call(path), '401 invalid_request')
    // A token of another API, a changed one, one that another key signed under the same kid, and one without a signature.
    assert.match(await call(path, await grant('blink')), /^401 /)
    assert.equal(await call(path, tampered(token, { sub: 'somebody' })), '401 invalid_token')
    const [header, claims] = token.split('.').slice(0, 2).map((it) => JSON.parse(Buffer.from(it, 'base64url')))
    const { privateKey } = await client.randomDPoPKeyPair('ES256')
    assert.equal(await call(path, await jwt(privateKey, header, claims)), '401 invalid_token')
    assert.equal(await call(path, (await jwt(privateKey, { ...header, alg: 'none' }, claims)).replace(/[^.]*$/, '')), '401 invalid_token')
  })
}

test('a scope can be required', async () => {
  assert.equal(await call('/orders/new', await grant('orders:write')), 'robot')
  assert.match(await call('/orders/new', await grant('orders:read')), /^401 /)
})

test('a person\'s token, from openid-client, is accepted with the person\'s name', async () => {
  const { issuer } = await server()
  const back = 'https://web.example.com/callback'
  const site = await client.discovery(new URL(issuer), 'site', {}, client.ClientSecretBasic(secret))
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const code_challenge = await client.calculatePKCECodeChallenge(pkceCodeVerifier)
  const parameters = { redirect_uri: back, scope: 'openid orders:read', code_challenge, code_challenge_method: 'S256' }
  const answer = await person(client.buildAuthorizationUrl(site, parameters), back)
  const tokens = await client.authorizationCodeGrant(site, answer, { pkceCodeVerifier, idTokenExpected: true })
  assert.equal(await call('/orders', tokens.access_token), tokens.claims().sub)
})

test('a token that has expired is refused', async () => {
  const token = await grant('blink')
  assert.equal(await call('/blink', token), 'robot')
  const { exp } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'))
  await sleep((exp + 1) * 1000 - Date.now())
  assert.equal(await call('/blink', token), '401 invalid_token')
})

test('an opaque token is asked about, and is refused once it is revoked', async () => {
  const token = await grant('ledger:read')
  assert.equal(await call('/ledger', token), 'robot')
  assert.equal(await call('/ledger'), '401 invalid_request')
  // A token of another API: our server does not tell the ledger about it.
  assert.equal(await call('/ledger', await grant('orders:read')), '401 invalid_token')
  assert.equal(await call('/ledger', `${token.slice(0, -4)}AAAA`), '401 invalid_token')
  await client.tokenRevocation(await robot(), token)
  assert.equal(await call('/ledger', token), '401 invalid_token')
})

// RFC 9449 7, by openid-client and by hand.
test('a token that is bound to a key is accepted with a proof of that key alone', async () => {
  const url = `${await apache()}/bound`
  const config = await robot()
  const holding = async (pair) => ({ DPoP: client.getDPoPHandle(config, pair) })
  const pair = await client.randomDPoPKeyPair('ES256')
  const held = await holding(pair)
  const token = (await client.clientCredentialsGrant(config, { scope: 'orders:read' }, held)).access_token
  const ask = (it, held) => client.fetchProtectedResource(config, it, new URL(url), 'GET', null, undefined, held)
  assert.equal((await ask(token, held)).headers.get('who'), 'robot')
  const thief = await holding(await client.randomDPoPKeyPair('ES256'))
  assert.equal(await ask(token, thief).then((it) => it.status, (it) => it.status), 401)
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', pair.publicKey)
  const prove = (change, it = token) => {
    const ath = createHash('sha256').update(it).digest('base64url')
    const claims = { htm: 'GET', htu: url, iat: now(), jti: client.randomNonce(), ath, ...change }
    return jwt(pair.privateKey, { typ: 'dpop+jwt', jwk: { kty, crv, x, y } }, claims)
  }
  const scheme = 'DPoP'
  const proof = await prove()
  assert.equal(await call('/bound', token, { scheme, proof }), 'robot')
  // The same proof again; a proof of another method, address or time; no proof; the wrong scheme; and a token that is not bound.
  assert.equal(await call('/bound', token, { scheme, proof }), '401 invalid_token')
  for (const change of [{ htm: 'POST' }, { htu: url.replace('bound', 'orders') }, { iat: now() - 600 }])
    assert.equal(await call('/bound', token, { scheme, proof: await prove(change) }), '401 invalid_token')
  assert.equal(await call('/bound', token, { scheme }), '401 invalid_token')
  assert.equal(await call('/bound', token, { proof: await prove() }), '401 invalid_request')
  const unbound = await grant('orders:read')
  assert.equal(await call('/bound', unbound, { scheme, proof: await prove({}, unbound) }), '401 invalid_token')
})

// RFC 8705 3, in Apache's own handshakes.
test('a token that is bound to a certificate is accepted with that certificate alone', async () => {
  const world = await server()
  const metadata = { use_mtls_endpoint_aliases: true }
  const showing = { [client.customFetch]: world.fetch('mutual') }
  const config = await client.discovery(new URL(world.issuer), 'robot-mutual', metadata, client.TlsClientAuth(), showing)
  const token = (await client.clientCredentialsGrant(config, { scope: 'orders:read' })).access_token
  assert.equal(await call('/certified', token, { by: world.fetch('mutual') }), 'robot-mutual')
  for (const by of [world.fetch('other'), fetch]) assert.equal(await call('/certified', token, { by }), '401 invalid_token')
  assert.equal(await call('/certified', await grant('orders:read'), { by: world.fetch('mutual') }), '401 invalid_token')
})
