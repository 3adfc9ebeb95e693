// Matrix Synapse from PyPI: people sign in to it at our server, and it hears which of their sessions has ended (OpenID Connect Back-Channel
// Logout 1.0). SYNAPSE names a Python that has it.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { answers, browser, fill, formOf, person, secret, server } from './world.mjs'
import * as client from 'openid-client'

const python = process.env.SYNAPSE ?? 'python3'
const client_page = 'https://client.example.com/done'

function isInstalled() {
  try {
    return execFileSync(python, ['-c', 'import synapse, authlib'], { stdio: 'ignore' }), true
  } catch {
    return false
  }
}

let running
const synapse = () => (running ??= start())

async function start() {
  const { issuer, directory, at, synapse: port, children } = await server()
  const values = { issuer, directory, secret, synapse: port, passphrase: client.randomState() }
  writeFileSync(at('synapse.yaml'), fill(readFileSync(new URL('synapse.yaml', import.meta.url), 'utf8'), values))
  const words = ['-m', 'synapse.app.homeserver', '-c', at('synapse.yaml')]
  // The CA of the tests signed our server's certificate.
  const options = { cwd: directory, env: { ...process.env, SSL_CERT_FILE: at('ca.pem') } }
  execFileSync(python, [...words, '--generate-keys'], { ...options, stdio: 'pipe' })
  const child = spawn(python, words, { ...options, stdio: ['ignore', 'ignore', process.env.RUST_LOG ? 'inherit' : 'ignore'] })
  children.push(child)
  const base = `https://127.0.0.1:${port}`
  for (let tries = 0; tries < 6; tries++) if (await answers(`${base}/_matrix/client/versions`, child).then(() => true, () => false)) return base
  throw new Error('Synapse does not start')
}

// Alice signs in with a browser of her own. Returns her device's token at Synapse, and the browser.
async function signIn() {
  const [base, browse] = [await synapse(), browser()]
  const begin = `${base}/_matrix/client/v3/login/sso/redirect/oidc-symbolon?${new URLSearchParams({ redirectUrl: client_page })}`
  const { location } = await browse(begin)
  assert.ok(location.startsWith(`${(await server()).issuer}/authorize?`), location)
  const back = await person(location, `${base}/_synapse/client/oidc/callback`, browse)
  const landed = await browse(back.href)
  assert.ok(landed.location?.startsWith(client_page), `${landed.status} ${landed.html}`)
  const token = new URL(landed.location).searchParams.get('loginToken')
  const body = JSON.stringify({ type: 'm.login.token', token })
  const answer = await fetch(`${base}/_matrix/client/v3/login`, { method: 'POST', body })
  const said = await answer.json()
  assert.equal(said.user_id, '@alice:matrix.example.com', JSON.stringify(said))
  return { browse, token: said.access_token }
}

async function whoami(token) {
  const answer = await fetch(`${await synapse()}/_matrix/client/v3/account/whoami`, { headers: { authorization: `Bearer ${token}` } })
  const said = await answer.json()
  return said.user_id ?? `${answer.status} ${said.errcode}`
}

async function signOut(browse) {
  const page = await browse(`${(await server()).issuer}/logout`)
  const { form, action } = formOf(page.html)
  const left = await browse(action, form)
  assert.ok(left.status < 400, left.html)
}

const skip = !isInstalled() && 'Synapse is missing: pip install "matrix-synapse[oidc]", and SYNAPSE names that Python'

test('Synapse ends the device whose session ended here, and no other', { skip }, async () => {
  const [one, other] = [await signIn(), await signIn()]
  assert.deepEqual([await whoami(one.token), await whoami(other.token)], ['@alice:matrix.example.com', '@alice:matrix.example.com'])
  await signOut(one.browse)
  for (let tries = 0; tries < 100 && !(await whoami(one.token)).startsWith('401'); tries++) await sleep(200)
  assert.deepEqual([await whoami(one.token), await whoami(other.token)], ['401 M_UNKNOWN_TOKEN', '@alice:matrix.example.com'])
})

// What anybody could send. The twin is the test above.
test('Synapse takes no logout token that our server did not sign', { skip }, async () => {
  const { token } = await signIn()
  const address = `${await synapse()}/_synapse/client/oidc/backchannel_logout`
  const { issuer } = await server()
  const encode = (it) => Buffer.from(JSON.stringify(it)).toString('base64url')
  const now = Math.floor(Date.now() / 1000)
  const claims = { iss: issuer, aud: 'synapse', iat: now, exp: now + 120, jti: 'x', sid: 'x', events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }
  const logout_token = `${encode({ alg: 'none', typ: 'logout+jwt' })}.${encode(claims)}.`
  const answer = await fetch(address, { method: 'POST', body: new URLSearchParams({ logout_token }) })
  assert.equal(answer.status, 400)
  assert.equal(await whoami(token), '@alice:matrix.example.com')
})
