// What the tests of every OpenID provider share: a site of ours, a person with a browser, and an app that draws its own screens.
import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { request as send } from 'undici'
import { chromium } from './chromium.mjs'
import { browser, formOf, jwt, now, onwardOf, secret, server } from './world.mjs'

export const back = 'https://web.example.com/social'

// Goes through our pages and the stranger's. Returns where it ends: a URL that begins like this, such as the client's, or the text of a
// page of ours.
export async function signIn(address, button, name, browse = browser(), until = back) {
  let [url, pressed] = [address, false]
  let page = await browse(url)
  for (let step = 0; step < 20; step++) {
    const onward = onwardOf(page)
    if (onward.startsWith(until)) return new URL(onward)
    if (onward) {
      url = new URL(onward, url).href
      page = await browse(url)
      continue
    }
    assert.equal(page.status, 200, page.html)
    const { form, action } = formOf(page.html)
    const { issuer } = await server()
    if (url.startsWith(issuer)) {
      if (pressed) return page.html
      form.set('action', button)
      pressed = true
    }
    for (const field of ['login', 'username']) if (form.has(field)) form.set(field, name), form.set('password', 'anything')
    url = new URL(action, url).href
    page = await browse(url, form)
  }
  throw new Error('the sign-in does not end')
}

export const site = async () => client.discovery(new URL((await server()).issuer), 'social-site', {}, client.ClientSecretBasic(secret))

// A request of the site's, and what its answer is checked with.
export async function begin(scope = 'openid profile email') {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const [expectedState, code_challenge] = [client.randomState(), await client.calculatePKCECodeChallenge(pkceCodeVerifier)]
  const request = { redirect_uri: back, scope, state: expectedState, code_challenge, code_challenge_method: 'S256' }
  return [client.buildAuthorizationUrl(await site(), request).href, { pkceCodeVerifier, expectedState, idTokenExpected: true }]
}

// What our server says of the person.
export async function redeem(answer, checks) {
  const tokens = await client.authorizationCodeGrant(await site(), answer, checks)
  assert.equal(tokens.claims().iss, (await server()).issuer)
  return client.fetchUserInfo(await site(), tokens.access_token, tokens.claims().sub)
}

// The same from the beginning, or the text of the page where it ended.
export async function ask(button, name, browse) {
  const [address, checks] = await begin()
  const answer = await signIn(address, button, name, browse)
  return answer instanceof URL ? redeem(answer, checks) : answer
}

// Without a page: a code, or the word that the person has to sign in.
export async function quietly(browse) {
  const [address] = await begin('openid')
  const answer = new URL((await browse(`${address}&prompt=none`)).location).searchParams
  return answer.get('error') ?? (answer.get('code') && 'signed in')
}

// The same in Chromium. `fill` signs the person in on the provider's pages.
export async function inChromium(button, fill) {
  const [address, checks] = await begin()
  const page = await chromium()
  await page.go(address)
  await page.press(`button[value="use_upstream:${button}"]`)
  await fill(page)
  return redeem(await page.landed(back), checks)
}

// The SDK in an app: a public client of the provider's, which signs the person in there with the nonce of our step.
export async function sdk({ authorize, token }, nonce, name) {
  const verifier = client.randomPKCECodeVerifier()
  const request = { client_id: 'example-sdk', redirect_uri: 'com.example.shop:/sdk', response_type: 'code', scope: 'openid profile', nonce }
  const more = { code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' }
  const answer = await signIn(`${authorize}?${new URLSearchParams({ ...request, ...more })}`, '', name, browser(), 'com.example.shop:/sdk')
  const code = answer.searchParams.get('code')
  const body = new URLSearchParams({ grant_type: 'authorization_code', client_id: 'example-sdk', redirect_uri: request.redirect_uri, code, code_verifier: verifier })
  return (await fetch(token, { method: 'POST', body })).json()
}

async function call(path, form) {
  const { issuer, keys } = await server()
  const claims = { iss: 'screens', sub: 'screens', aud: issuer, jti: client.randomState(), iat: now(), exp: now() + 60 }
  const client_assertion = await jwt(keys.bank.privateKey, {}, claims)
  const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
  const body = new URLSearchParams({ client_id: 'screens', client_assertion_type, client_assertion, ...form })
  // Not fetch, which would say that it is a browser's.
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const answer = await send(`${issuer}${path}`, { method: 'POST', body: body.toString(), headers })
  return { status: answer.statusCode, ...(await answer.body.json()) }
}

// An app that draws its own screens, with the provider's SDK in it (docs/native.md, docs/social.md). The ID token answers the step. The access
// token does not, nor a token with another step's nonce. The browser leads to the same account.
export async function natively(provider, endpoints, name) {
  const step = async () => {
    const first = await call('/authorize-challenge', { response_type: 'code', scope: 'openid' })
    assert.equal(first.error, 'insufficient_authorization', JSON.stringify(first))
    const asked = await call('/authorize-challenge', { auth_session: first.auth_session, action: `use_upstream:${provider}` })
    assert.equal(asked.step?.operation?.name, 'id_token_get', JSON.stringify(asked))
    return asked
  }
  const give = (asked, token) =>
    call('/authorize-challenge', { auth_session: asked.auth_session, action: 'id_token', id_token: JSON.stringify({ id_token: token }) })
  const asked = await step()
  const tokens = await sdk(endpoints, asked.step.operation.options.nonce, name)
  const wrong = await give(asked, tokens.access_token)
  assert.equal(wrong.error, 'insufficient_authorization', JSON.stringify(wrong))
  const late = await give(await step(), tokens.id_token)
  assert.equal(late.error, 'insufficient_authorization', JSON.stringify(late))
  const again = await step()
  const done = await give(again, (await sdk(endpoints, again.step.operation.options.nonce, name)).id_token)
  assert.equal(done.status, 200, JSON.stringify(done))
  const redeemed = await call('/token', { grant_type: 'authorization_code', code: done.authorization_code })
  const { iss, sub } = JSON.parse(Buffer.from(redeemed.id_token.split('.')[1], 'base64url'))
  assert.equal(iss, (await server()).issuer)
  assert.equal((await ask(`use_upstream:${provider}`, name)).sub, sub)
}

// Presses the first button of each page, until one says this. Returns where that is.
export async function pressOn(browse, address, until) {
  let [url, page] = [address, await browse(address)]
  for (let step = 0; step < 12 && !until(page); step++) {
    const onward = onwardOf(page)
    if (onward) {
      url = new URL(onward, url).href
      page = await browse(url)
      continue
    }
    const { form, action } = formOf(page.html)
    url = new URL(action, url).href
    page = await browse(url, form)
  }
  assert.ok(until(page), `${url} ${page.html}`)
  return url
}
