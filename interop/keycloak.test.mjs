// Keycloak (Maven Central), an OpenID provider that we did not write: people sign in at our server with its accounts. KEYCLOAK names the
// directory that it is unpacked in.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skip as withoutChromium } from './chromium.mjs'
import { ask, inChromium, natively, pressOn, quietly } from './social.mjs'
import { keycloak } from './strangers.mjs'
import { browser } from './world.mjs'

const skip = !process.env.KEYCLOAK && 'Keycloak is missing: KEYCLOAK names the directory that it is unpacked in'

test('Keycloak as the provider of a sign-in', { skip }, async () => {
  await keycloak()
  const [ann, again, bob] = [await ask('use_upstream:keycloak', 'ann'), await ask('use_upstream:keycloak', 'ann'), await ask('use_upstream:keycloak', 'bob')]
  assert.equal(ann.name, 'ann Example')
  assert.equal(ann.email, undefined, 'nobody listed example.com for this provider')
  assert.equal(again.sub, ann.sub)
  assert.notEqual(bob.sub, ann.sub)
})

test('Keycloak in Chromium', { skip: skip || withoutChromium }, async () => {
  const ann = await ask('use_upstream:keycloak', 'ann')
  const seen = await inChromium('keycloak', async (page) => {
    await page.type('username', 'ann')
    await page.type('password', 'anything')
    await page.press('[type=submit]')
  })
  assert.equal(seen.sub, ann.sub)
})

test('an ID token of Keycloak answers a native step, and its access token does not', { skip }, async () => {
  const there = `${await keycloak()}/protocol/openid-connect`
  await natively('keycloak', { authorize: `${there}/auth`, token: `${there}/token` }, 'bob')
})

// OpenID Connect Back-Channel Logout 1.0.
test('Keycloak tells our server that a person signed out', { skip }, async () => {
  const [ann, bob] = [browser(), browser()]
  for (const [browse, name] of [[ann, 'ann'], [bob, 'bob']]) assert.ok((await ask('use_upstream:keycloak', name, browse)).sub)
  assert.deepEqual([await quietly(ann), await quietly(bob)], ['signed in', 'signed in'])
  await pressOn(ann, `${await keycloak()}/protocol/openid-connect/logout`, (page) => page.html?.includes('You are logged out'))
  assert.deepEqual([await quietly(ann), await quietly(bob)], ['login_required', 'signed in'])
})
