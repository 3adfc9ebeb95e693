// @simplewebauthn/browser (npm), unchanged, in Chromium with a virtual authenticator: the options of our steps go into its two calls as they
// are, and what it gives back is posted as it is. The page is an app's own screen, at the origin that iOS writes for the app.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { after, test } from 'node:test'
import { request } from 'undici'
import { chromium, skip } from './chromium.mjs'
import { answers, binary, fill, freePorts, jwt, now, server } from './world.mjs'

const library = readFileSync(new URL('node_modules/@simplewebauthn/browser/dist/bundle/index.umd.min.js', import.meta.url))
const password = 'open sesame, please'
const configuration = `
issuer = "https://localhost:{port}"
listen = "127.0.0.1:{port}"
[tls]
certificate = "{files}/server.pem"
key = "{files}/server.key"
[passkeys]
offer = false
[login.default]
require = ["passkey", "password"]
[login.both]
require = ["password + passkey"]
acr = "urn:both"
[client.screens]
kind = "native"
first_party = true
native = true
authentication = "private_key_jwt"
jwks = { keys = [{bank}] }
redirect_uris = ["https://app.example.com/callback"]
[client.screens.app]
ios = ["ABCDE12345.com.example.screens"]
`

// A server whose issuer has a name, because no browser makes a passkey for an address.
async function start() {
  const { at, children, keys } = await server()
  const [port] = await freePorts(1)
  const directory = at('passkeys')
  mkdirSync(directory)
  const command = (words, input) => execFileSync(binary, words, { cwd: directory, input, stdio: 'pipe' })
  command(['init', directory])
  const bank = `{ ${Object.entries(keys.bank.jwk).map(([name, value]) => `${name} = "${value}"`).join(', ')} }`
  writeFileSync(`${directory}/symbolon.toml`, fill(configuration, { port, files: at('.'), bank }))
  command(['user', 'add', 'alice', '--email', 'alice@example.com'], `${password}\n`)
  const child = spawn(binary, ['serve'], { cwd: directory, env: { RUST_LOG: 'error', ...process.env }, stdio: ['ignore', 'ignore', 'inherit'] })
  children.push(child)
  const issuer = `https://localhost:${port}`
  await answers(`${issuer}/health`, child)
  return { issuer, confirm: () => command(['user', 'confirm', 'alice']), key: keys.bank.privateKey }
}

// The app's screen: a page at https://localhost, without a port, as iOS names the origin of the RP ID.
async function screen() {
  const { at } = await server()
  const tls = { cert: readFileSync(at('server.pem')), key: readFileSync(at('server.key')) }
  const page = createServer(tls, (asked, answer) => {
    const isScript = asked.url === '/library.js'
    answer.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
    answer.end(isScript ? library : '<!doctype html><title>App</title><script src="/library.js"></script>')
  }).listen(0, '127.0.0.1')
  await once(page, 'listening')
  after(() => (page.close(), page.closeAllConnections()))
  const { ask, go } = await chromium(`--host-resolver-rules=MAP localhost:443 127.0.0.1:${page.address().port}`)
  await ask('/webauthn/authenticator', {
    protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserConsenting: true, isUserVerified: true,
  })
  await go('https://localhost/')
  // What the library's call comes to: its answer, or the name of its error.
  return (call, optionsJSON) =>
    ask('/execute/async', {
      script: `const [call, optionsJSON, done] = arguments
        SimpleWebAuthnBrowser[call]({ optionsJSON }).then((answer) => done({ answer }), (error) => done({ error: error.name }))`,
      args: [call, optionsJSON],
    })
}

// A native sign-in: each answer of the server, and the next request.
async function app({ issuer, key }) {
  const assertion = () => jwt(key, {}, { iss: 'screens', sub: 'screens', aud: issuer, jti: randomUUID(), iat: now(), exp: now() + 60 })
  const post = async (form) => {
    const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
    const body = new URLSearchParams({ client_id: 'screens', client_assertion_type, client_assertion: await assertion(), ...form })
    // Not fetch, which would say that it is a browser's.
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const answer = await request(`${issuer}/authorize-challenge`, { method: 'POST', body: body.toString(), headers })
    return { status: answer.statusCode, ...(await answer.body.json()) }
  }
  const begin = (more) => post({ response_type: 'code', scope: 'openid', ...more })
  const answer = ({ auth_session }, action, fields) => post({ auth_session, action, ...fields })
  return { begin, answer }
}

test('@simplewebauthn/browser makes and uses a passkey with our JSON as it is', { skip }, async () => {
  const world = await start()
  const [{ begin, answer }, call] = [await app(world), await screen()]
  const byPassword = async () => answer(await begin({ acr_values: 'urn:both' }), 'continue', { username: 'alice', password })
  const asked = await byPassword()
  assert.deepEqual([asked.status, asked.step.operation.name], [403, 'passkey_create'])
  const made = await call('startRegistration', asked.step.operation.options)
  assert.ok(made.answer, made.error)
  // Twins: the answer to another sign-in's challenge, and one whose client data was changed.
  const other = await answer(await byPassword(), 'passkey', { passkey: JSON.stringify(made.answer) })
  assert.deepEqual([other.status, other.step.kind, other.step.problem?.key], [403, 'enrol_passkey', 'passkey_not_made'])
  const waits = await answer(asked, 'passkey', { passkey: JSON.stringify(made.answer) })
  assert.deepEqual([waits.status, waits.step?.kind], [403, 'waits'], JSON.stringify(waits))
  world.confirm()
  assert.equal((await answer(waits, 'continue', {})).status, 200)

  // Without a name.
  const first = await begin()
  const { operation } = first.step
  assert.deepEqual([operation.name, operation.options.rpId], ['passkey_get', 'localhost'])
  const used = await call('startAuthentication', operation.options)
  assert.ok(used.answer, used.error)
  const replayed = await answer(await begin(), 'passkey', { passkey: JSON.stringify(used.answer) })
  assert.deepEqual([replayed.status, replayed.step.problem?.key], [403, 'passkey_unknown'])
  const forged = structuredClone(used.answer)
  forged.response.signature = forged.response.signature.replace(/.{8}$/, 'AAAAAAAA')
  const refused = await answer(first, 'passkey', { passkey: JSON.stringify(forged) })
  assert.deepEqual([refused.status, refused.step.problem?.key], [403, 'passkey_unknown'])
  const next = await call('startAuthentication', refused.step.operation.options)
  const done = await answer(refused, 'passkey', { passkey: JSON.stringify(next.answer) })
  assert.equal(done.status, 200, JSON.stringify(done))
  assert.ok(done.authorization_code)
  // With a name: an ordinary passkey is not in the list, so that nothing tells who has one. The list has the library's form.
  const named = await answer(await begin(), 'security_key', { username: 'alice' })
  const list = named.step.operation.options.allowCredentials
  assert.ok(list.length > 0 && list.every((one) => one.type === 'public-key' && typeof one.id === 'string'), JSON.stringify(list))
  assert.ok(list.every((one) => one.id !== made.answer.id))
})
