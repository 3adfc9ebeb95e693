// APIs in other languages: the code of docs/apis, as it stands there, with the library that the page names. All get the same calls.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { answers, freePorts, jwt, now, person, secret, server, tampered } from './world.mjs'
import * as client from 'openid-client'

const here = (name) => fileURLToPath(new URL(name, import.meta.url))
const go = process.env.GO ?? (runs('go', ['version']) ? 'go' : '/usr/local/go/bin/go')

function runs(program, words) {
  try {
    return execFileSync(program, words, { stdio: 'ignore' }), true
  } catch {
    return false
  }
}

// The one block of code in this language on a page.
function code(page, language) {
  const blocks = [...readFileSync(here(`../docs/apis/${page}.md`), 'utf8').matchAll(/^```(\w+)\n(.*?)^```$/gms)].filter((it) => it[1] === language)
  assert.equal(blocks.length, 1, `${page}: one block of ${language}`)
  return blocks[0][2]
}

const LANGUAGES = {
  node: {
    prepare(directory) {
      writeFileSync(`${directory}/api.mjs`, code('node', 'js'))
      symlinkSync(here('node_modules'), `${directory}/node_modules`)
      return [process.execPath, [`${directory}/api.mjs`]]
    },
  },
  go: {
    skip: !runs(go, ['version']) && 'Go is missing',
    prepare(directory) {
      writeFileSync(`${directory}/main.go`, code('go', 'go'))
      for (const it of ['go.mod', 'go.sum']) copyFileSync(here(`apis/${it}`), `${directory}/${it}`)
      execFileSync(go, ['build', '-o', 'api', '.'], { cwd: directory, stdio: ['ignore', 'ignore', 'inherit'] })
      return [`${directory}/api`, []]
    },
  },
  spring: {
    skip: !(runs('mvn', ['--version']) && runs('javac', ['--version'])) && 'Java and Maven are missing',
    prepare(directory, at) {
      const quietly = { cwd: directory, stdio: ['ignore', 'ignore', 'inherit'] }
      writeFileSync(`${directory}/Api.java`, code('spring', 'java'))
      copyFileSync(here('apis/spring.pom.xml'), `${directory}/pom.xml`)
      const copy = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
      execFileSync('mvn', ['-B', '-q', copy, '-DoutputDirectory=lib', '-DincludeScope=runtime'], quietly)
      execFileSync('sha256sum', ['--check', '--strict', '--quiet', here('apis/spring.sha256')], { ...quietly, cwd: `${directory}/lib` })
      const listed = readFileSync(here('apis/spring.sha256'), 'utf8').trim().split('\n').map((it) => it.split('  ')[1])
      assert.deepEqual(readdirSync(`${directory}/lib`).sort(), listed.sort(), 'no library that has no digest')
      execFileSync('javac', ['-cp', 'lib/*', '-d', 'out', 'Api.java'], quietly)
      const store = ['-keystore', `${directory}/trust.p12`, '-storepass', 'public']
      execFileSync('keytool', ['-importcert', '-noprompt', '-alias', 'ca', '-file', at('ca.pem'), ...store], { ...quietly, stdio: 'ignore' })
      const trust = [`-Djavax.net.ssl.trustStore=${directory}/trust.p12`, '-Djavax.net.ssl.trustStorePassword=public']
      const words = ['-cp', `${directory}/lib/*:${directory}/out`, ...trust, 'example.Api', '--spring.main.banner-mode=off', '--logging.level.root=warn']
      return ['java', words]
    },
    // Spring answers in the challenge alone, and what is no Bearer token is no token to it.
    missing: '401 nothing',
    basic: '401 nothing',
  },
}

const running = new Map()
const api = (name) => running.get(name) ?? running.set(name, start(name)).get(name)

async function start(name) {
  const { issuer, at, children } = await server()
  const directory = at(`api-${name}`)
  mkdirSync(directory)
  const [program, words] = LANGUAGES[name].prepare(directory, at)
  const [port] = await freePorts(1)
  const trust = { SSL_CERT_FILE: at('ca.pem'), NODE_EXTRA_CA_CERTS: at('ca.pem') }
  const env = { ...process.env, ...trust, ISSUER: issuer, AUDIENCE: 'https://api.example.com/orders', PORT: String(port), SERVER_PORT: String(port) }
  const child = spawn(program, words, { env, stdio: ['ignore', 'inherit', 'inherit'] })
  children.push(child)
  await answers(`http://127.0.0.1:${port}/orders`, child)
  return `http://127.0.0.1:${port}/orders`
}

async function call(name, authorization, method = 'GET') {
  const answer = await fetch(await api(name), { method, headers: authorization ? { authorization } : {} })
  const text = await answer.text()
  const body = text ? JSON.parse(text) : { error: answer.headers.get('www-authenticate')?.match(/error="(\w+)"/)?.[1] ?? 'nothing' }
  return answer.status === 200 ? body.sub : `${answer.status} ${body.error}`
}

const robot = async () => client.discovery(new URL((await server()).issuer), 'robot', {}, client.ClientSecretBasic(secret))
const grant = async (scope, options) => (await client.clientCredentialsGrant(await robot(), { scope }, options)).access_token

// What a site gets for alice: an access token and an ID token.
async function signedIn() {
  const back = 'https://web.example.com/callback'
  const site = await client.discovery(new URL((await server()).issuer), 'site', {}, client.ClientSecretBasic(secret))
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const code_challenge = await client.calculatePKCECodeChallenge(pkceCodeVerifier)
  const parameters = { redirect_uri: back, scope: 'openid orders:read', code_challenge, code_challenge_method: 'S256' }
  const answer = await person(client.buildAuthorizationUrl(site, parameters), back)
  return client.authorizationCodeGrant(site, answer, { pkceCodeVerifier, idTokenExpected: true })
}

for (const [name, { skip, missing = '401 token_missing', basic = '400 invalid_request' }] of Object.entries(LANGUAGES)) {
  test(`docs/apis/${name}.md: tokens for this API are accepted, each with its scope`, { skip }, async () => {
    assert.equal(await call(name, `Bearer ${await grant('orders:read')}`), 'robot')
    assert.equal(await call(name, `Bearer ${await grant('orders:read orders:write')}`, 'POST'), 'robot')
    const tokens = await signedIn()
    assert.equal(await call(name, `Bearer ${tokens.access_token}`), tokens.claims().sub)
    assert.equal(await call(name, `Bearer ${tokens.access_token}`, 'POST'), '403 insufficient_scope')
  })

  test(`docs/apis/${name}.md: everything else is refused`, { skip }, async () => {
    const token = await grant('orders:read')
    assert.equal(await call(name), missing)
    assert.equal(await call(name, `Basic ${token}`), basic)
    const [header, claims] = token.split('.').slice(0, 2).map((it) => JSON.parse(Buffer.from(it, 'base64url')))
    const { privateKey } = await client.randomDPoPKeyPair('ES256')
    const foreign = await jwt(privateKey, { typ: 'JWT' }, { iss: 'https://accounts.social.example', aud: 'app', sub: 'a', exp: now() + 60 })
    const config = await robot()
    const held = { DPoP: client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256')) }
    for (const [what, bad] of Object.entries({
      'an ID token': (await signedIn()).id_token,
      'of another API': await grant('blink'),
      'changed': tampered(token, { sub: 'somebody' }),
      'signed by another key under the same kid': await jwt(privateKey, header, claims),
      'without a signature': (await jwt(privateKey, { ...header, alg: 'none' }, claims)).replace(/[^.]*$/, ''),
      'of a social provider': foreign,
      'opaque': await grant('ledger:read'),
      'bound to a key': await grant('orders:read', held),
    }))
      assert.equal(await call(name, `Bearer ${bad}`), '401 invalid_token', what)
    assert.equal(await call(name, `Bearer ${token}`), 'robot')
  })
}
