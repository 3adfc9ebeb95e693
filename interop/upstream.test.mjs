// oidc-provider (npm), an OpenID provider that we did not write: people sign in at our server with its accounts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skip } from './chromium.mjs'
import { ask, begin, inChromium, natively, pressOn, quietly, redeem, signIn } from './social.mjs'
import { oidcProvider } from './strangers.mjs'
import { browser, server, unescape } from './world.mjs'

test('oidc-provider as the provider of a sign-in', async () => {
  await oidcProvider()
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

test('oidc-provider in Chromium', { skip }, async () => {
  const ann = await ask('use_upstream:stranger', 'ann')
  const seen = await inChromium('stranger', async (page) => {
    await page.type('login', 'ann')
    await page.type('password', 'anything')
    await page.press('form:has(input[value="login"]) button[type=submit]')
    await page.press('form:has(input[value="consent"]) button[type=submit]')
  })
  assert.equal(seen.sub, ann.sub)
})

// OpenID Connect Back-Channel Logout 1.0: the provider tells our server, which asks for everything at the next request.
test('oidc-provider tells our server that a person signed out', async () => {
  const { stranger: port } = await server()
  const [carol, dave] = [browser(), browser()]
  for (const [browse, name] of [[carol, 'carol'], [dave, 'dave']]) assert.ok((await ask('use_upstream:stranger', name, browse)).sub)
  assert.deepEqual([await quietly(carol), await quietly(dave)], ['signed in', 'signed in'])
  const page = await carol(`https://127.0.0.1:${port}/session/end`)
  const form = new URLSearchParams({ xsrf: page.html.match(/name="xsrf" value="([^"]*)"/)[1], logout: 'yes' })
  const left = await carol(unescape(page.html.match(/<form[^>]* action="([^"]*)"/)[1]), form)
  assert.ok(left.status < 400, left.html)
  assert.deepEqual([await quietly(carol), await quietly(dave)], ['login_required', 'signed in'])
})

// RFC 8705, RFC 9449, RFC 7516, OpenID Connect RP-Initiated Logout 1.0: what the operator wants of the provider, it gets.
test('oidc-provider with a client certificate, bound tokens and encrypted ID tokens, and its sign-out', async () => {
  const { issuer, stranger: port } = await server()
  const eve = browser()
  const [address, checks] = await begin('openid profile')
  const answer = await signIn(address, 'use_upstream:strict', 'eve', eve)
  assert.ok(answer instanceof URL, answer)
  assert.equal((await redeem(answer, checks)).name, 'eve Example', 'from userinfo, with a proof')
  // The twin: a certificate of the same CA with another name.
  assert.match(await ask('use_upstream:strict-other', 'eve'), /That did not work/)
  // She signs out here, there, and is back here.
  const url = await pressOn(eve, `${issuer}/logout`, (page) => page.html?.includes('You are signed out'))
  assert.ok(url.startsWith(`${issuer}/upstream/strict/signed-out`), url)
  const there = await eve(`https://127.0.0.1:${port}/auth?${new URLSearchParams({ client_id: 'example-shop', response_type: 'code', scope: 'openid', prompt: 'none', redirect_uri: `${issuer}/upstream/stranger/callback`, code_challenge: 'A'.repeat(43), code_challenge_method: 'S256' })}`)
  assert.match(there.location, /error=login_required/)
})

test('an ID token of oidc-provider answers a native step, and its access token does not', async () => {
  const there = `https://127.0.0.1:${(await server()).stranger}`
  await natively('stranger', { authorize: `${there}/auth`, token: `${there}/token` }, 'frank')
})
