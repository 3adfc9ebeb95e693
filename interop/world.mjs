// What these tests share: our server as an operator runs it (the real binary, TLS, a second listener that asks for certificates), and a
// person with a browser.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { createHash, webcrypto, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Agent, fetch as fetchWith, request, setGlobalDispatcher } from 'undici'

// In Node.js 18, the version of Debian 12, these are in a module.
globalThis.crypto ??= webcrypto
globalThis.CryptoKey ??= webcrypto.CryptoKey

export const secret = 'Exi1F91WkA4bEid3DK4v7FqdxpODCqrJRKVMxoiwouc'
const digest = '$argon2id$v=19$m=19456,t=2,p=1$eX4H/LUFVYj1fhpcNbg9ow$YqgMn0ZrMAdKtUxoIUW8COfj5IEsAxqfDhAddmEU2NY'
const password = 'open sesame, please'
const es256 = { name: 'ECDSA', namedCurve: 'P-256' }

export const binary = process.env.SYMBOLON ?? fileURLToPath(new URL('../target/debug/symbolon', import.meta.url))

// One server for all tests of a file.
let running
export const server = () => (running ??= start())
after(async () => (await running)?.stop())

async function start() {
  const directory = mkdtempSync(join(tmpdir(), 'symbolon-interop-'))
  const at = (name) => join(directory, name)
  const [port, mtls, apache, stranger, keycloak, synapse] = await freePorts(6)
  const keys = { bank: await keyPair(), attester: await keyPair() }
  const command = (words, input) => execFileSync(binary, words, { cwd: directory, input, stdio: 'pipe' })
  command(['init', directory])
  certificates(at)
  const registered = { ...new X509Certificate(pem(at('registered'))).publicKey.export({ format: 'jwk' }), x5c: x5c(at('registered')) }
  const values = { port, mtls, apache, stranger, keycloak, synapse, digest, bank: inline(keys.bank.jwk), attester: inline(keys.attester.jwk), registered: inline(registered) }
  const template = readFileSync(new URL('server.toml', import.meta.url), 'utf8')
  writeFileSync(at('symbolon.toml'), fill(template, values))
  writeFileSync(at('stranger.secret'), secret, { mode: 0o600 })
  writeFileSync(at('impostor.secret'), 'another secret', { mode: 0o600 })
  command(['user', 'add', 'alice', '--email', 'alice@example.com', '--claim', 'customer_id=c-1041'], `${password}\n`)
  // The CA of the tests signed the certificate of the provider that the server asks (upstream.test.mjs).
  const env = { RUST_LOG: 'error', ...process.env, SSL_CERT_FILE: at('ca.pem') }
  const child = spawn(binary, ['serve'], { cwd: directory, env, stdio: ['ignore', 'ignore', 'inherit'] })
  const children = [child]
  const stop = async () => {
    for (const it of children) if ((it.exitCode ?? it.signalCode) === null) it.kill(), await once(it, 'exit')
    rmSync(directory, { recursive: true })
  }
  const ca = readFileSync(at('ca.pem'))
  setGlobalDispatcher(new Agent({ connect: { ca } }))
  const issuer = `https://127.0.0.1:${port}`
  await answers(`${issuer}/health`, child).catch(async (error) => (await stop(), Promise.reject(error)))
  return { issuer, directory, at, apache, stranger, keycloak, synapse, keys, children, fetch: (name) => showing(at(name), ca), stop }
}

// A program that starts others. A signal goes to all of them.
export function family(program, words, stdio) {
  const child = spawn(program, words, { stdio, detached: true })
  child.kill = () => process.kill(-child.pid, 'SIGKILL')
  return child
}

export const fill = (template, values) => template.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all)

// Waits until a server answers at this URL.
export async function answers(url, child) {
  for (let tries = 0; tries < 2400 && child.exitCode === null; tries++) {
    const answer = await fetch(url, { redirect: 'manual' }).catch(() => null)
    if (answer) return
    await sleep(50)
  }
  throw new Error(`nobody answers at ${url}`)
}

// Free ports, below those of outgoing connections.
export async function freePorts(count) {
  const held = []
  while (held.length < count) {
    const server = createServer().listen(10_000 + Math.floor(Math.random() * 22_000), '127.0.0.1')
    if (await once(server, 'listening').catch(() => null)) held.push(server)
  }
  const ports = held.map((it) => it.address().port)
  await Promise.all(held.map((it) => (it.close(), once(it, 'close'))))
  return ports
}

async function keyPair() {
  const { privateKey, publicKey } = await crypto.subtle.generateKey(es256, true, ['sign', 'verify'])
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', publicKey)
  return { privateKey, jwk: { kty, crv, x, y } }
}

// An object in the form of TOML, on one line.
const inline = (it) => `{ ${Object.entries(it).map(([name, value]) => `${name} = ${JSON.stringify(value)}`).join(', ')} }`

const pem = (file) => readFileSync(`${file}.pem`)
// The digest of a certificate's key, as Chromium wants it of one that it is to believe.
export const spki = (file) => createHash('sha256').update(new X509Certificate(pem(file)).publicKey.export({ type: 'spki', format: 'der' })).digest('base64')
const x5c = (file) => [new X509Certificate(pem(file)).raw.toString('base64')]

// Makes a CA, the certificates of the server, a client and another client of the same CA, and one that signs itself.
function certificates(at) {
  writeFileSync(at('openssl.cnf'), '[req]\ndistinguished_name = name\n[name]\n')
  const make = (name, subject, extensions, ...more) =>
    execFileSync(
      'openssl',
      ['req', '-config', at('openssl.cnf'), '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
        .concat(['-subj', subject, '-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)], more)
        .concat(extensions.flatMap((it) => ['-addext', it])),
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
  const by = ['-CA', at('ca.pem'), '-CAkey', at('ca.key')]
  const leaf = ['basicConstraints=critical,CA:FALSE', 'keyUsage=critical,digitalSignature']
  const client = [...leaf, 'extendedKeyUsage=clientAuth']
  make('ca', '/CN=A CA of the tests', ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'])
  make('server', '/CN=127.0.0.1', [...leaf, 'extendedKeyUsage=serverAuth', 'subjectAltName=IP:127.0.0.1,DNS:localhost'], ...by)
  make('mutual', '/O=Example Bank/CN=mutual', client, ...by)
  make('other', '/O=Example Bank/CN=other', client, ...by)
  make('registered', '/CN=registered', client)
  // Who issues identities into wallets, who else does, and the one that vouches for verifiers to wallets.
  const below = (ca) => ['-CA', at(`${ca}.pem`), '-CAkey', at(`${ca}.key`)]
  const issuing = ['basicConstraints=critical,CA:TRUE,pathlen:0', 'keyUsage=critical,keyCertSign,cRLSign']
  for (const name of ['pid', 'stranger', 'verifier']) {
    make(`${name}-ca`, `/C=UT/O=Utopia/CN=${name} CA`, issuing)
    // The second name is the issuer's host, which wallets compare with `x509_san_dns`.
    make(name, `/C=UT/O=Utopia/CN=${name}`, [...leaf, 'subjectAltName=DNS:login.example.com,DNS:127.0.0.1'], ...below(`${name}-ca`))
  }
}

// A fetch that sends a client certificate.
function showing(file, ca) {
  const dispatcher = new Agent({ connect: { ca, cert: pem(file), key: readFileSync(`${file}.key`) } })
  return (url, options) => fetchWith(url, { ...options, dispatcher })
}

export const unescape = (it) => it.replaceAll('&#x2f;', '/').replaceAll('&quot;', '"').replaceAll('&amp;', '&')

// A browser that opens pages and keeps cookies. It follows no redirect by itself.
export function browser() {
  const cookies = new Map()
  return async (url, form) => {
    const cookie = [...cookies].map((it) => it.join('=')).join('; ')
    const headers = { accept: 'text/html', 'sec-fetch-mode': 'navigate', cookie }
    const sent = form && { method: 'POST', body: form.toString() }
    if (form) headers['content-type'] = 'application/x-www-form-urlencoded'
    const answer = await request(url, { headers, ...sent })
    for (const line of [answer.headers['set-cookie'] ?? []].flat()) cookies.set(...line.split(';')[0].split(/=(.*)/s).slice(0, 2))
    const { statusCode: status, headers: { location, who } } = answer
    return { status, location, who, html: await answer.body.text() }
  }
}

// The form of a page as it stands, with its first button, and where it goes.
export function formOf(html) {
  const form = new URLSearchParams()
  for (const [tag] of html.matchAll(/<(input|button)[^>]*>/g)) {
    const name = tag.match(/ name="([^"]*)"/)?.[1]
    if (name && !form.has(name)) form.set(name, unescape(tag.match(/ value="([^"]*)"/)?.[1] ?? ''))
  }
  const action = html.match(/<form[^>]* action="([^"]*)"/)?.[1]
  return { form, action: action && unescape(action) }
}

// Where a page leads on by itself: a redirect, or a refresh.
export const onwardOf = ({ location, html }) => location ?? unescape(html.match(/http-equiv="refresh" content="0;url=([^"]*)"/)?.[1] ?? '')

// Signs alice in through the pages. Returns the URL that begins like this, such as the client's.
export async function person(address, claimed, browse = browser()) {
  let page = await browse(address)
  for (let step = 0; step < 9; step++) {
    const { status, location, html } = page
    // The last page leads on by itself.
    const onward = onwardOf(page)
    if (onward.startsWith(claimed)) return new URL(onward)
    if (location) {
      page = await browse(location)
      continue
    }
    assert.equal(status, 200, html)
    const { form, action } = formOf(html)
    if (form.has('username')) form.set('username', 'alice'), form.set('password', password)
    page = await browse(action, form)
  }
  throw new Error('the sign-in does not end')
}

// Signs alice in and answers the page that asks whether she started a device: types the last group of its code, and presses the button.
export async function approver({ verification_uri_complete, user_code }, button) {
  const browse = browser()
  let page = await browse(verification_uri_complete)
  for (let step = 0; step < 9; step++) {
    const { status, location, html } = page
    if (location) {
      page = await browse(location)
      continue
    }
    assert.equal(status, 200, html)
    const { form, action } = formOf(html)
    if (!action) return html.match(/<h1>(.*)<\/h1>/)[1]
    if (form.has('username')) form.set('username', 'alice'), form.set('password', password)
    if (form.has('last_group')) form.set('last_group', user_code.slice(-4)), form.set('action', button)
    page = await browse(action, form)
  }
  throw new Error('the approval does not end')
}

// Signs alice in and answers what a client asks her (CIBA) with this button. Returns the heading of the last page and all that she read.
export async function answerer(issuer, button) {
  const browse = browser()
  let page = await browse(`${issuer}/account`)
  for (let step = 0; step < 9 && !page.html?.includes('/approvals"'); step++) page = await forward(browse, page)
  page = await browse(`${issuer}/approvals`)
  const read = page.html
  for (let step = 0; step < 9; step++) {
    const heading = page.html && !page.html.includes('<form') && page.html.match(/<h1>(.*)<\/h1>/)
    if (heading && !page.location) return [heading[1], read]
    page = await forward(browse, page, button)
  }
  throw new Error('the approval does not end')
}

// The next page: where a redirect leads, or what a form answers, with alice's password where it is asked for.
async function forward(browse, { status, location, html }, button) {
  if (location) return browse(location)
  assert.equal(status, 200, html)
  const { form, action } = formOf(html)
  if (form.has('username')) form.set('username', 'alice'), form.set('password', password)
  if (button) form.set('action', button)
  return browse(action, form)
}

// Checks that a library's call ends with this error of the server.
export async function refuses(call, status, code) {
  const error = await call.then(
    () => assert.fail(`accepted instead of ${code}`),
    (it) => it,
  )
  assert.ok(error.response, error)
  const said = error.error ?? error.cause?.[0]?.parameters?.error ?? (await error.response.json()).error
  assert.deepEqual([error.response.status, said], [status, code])
}

const encode = (it) => Buffer.from(JSON.stringify(it)).toString('base64url')

export async function jwt(key, header, claims) {
  const signed = `${encode({ alg: 'ES256', ...header })}.${encode(claims)}`
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key, Buffer.from(signed))
  return `${signed}.${Buffer.from(signature).toString('base64url')}`
}

export const now = () => Math.floor(Date.now() / 1000)

// The same JWT with another claim and the old signature.
export function tampered(token, change) {
  const [header, claims, signature] = token.split('.')
  return [header, encode({ ...JSON.parse(Buffer.from(claims, 'base64url')), ...change }), signature].join('.')
}
