// oidc-provider (npm), an OpenID provider that we did not write: people sign in at our server with its accounts.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Agent, createServer } from 'node:https'
import { after, test } from 'node:test'
import Provider from 'oidc-provider'
import * as client from 'openid-client'
import { browser, secret, server, unescape } from './world.mjs'

const back = 'https://web.example.com/social'
let listener
after(() => listener?.close().closeAllConnections())

// Everybody may sign in there, by any name. PKCE is demanded, and both ways back are ours.
async function stranger() {
  const { issuer, at, stranger: port } = await server()
  const jwks = await (await fetch(`${issuer}/upstream/strict/jwks`)).json()
  const shown = (ctx) => ctx.socket.getPeerCertificate()
  const provider = new Provider(`https://127.0.0.1:${port}`, {
    clients: [
      {
        client_id: 'example-shop',
        client_secret: secret,
        redirect_uris: ['stranger', 'impostor'].map((name) => `${issuer}/upstream/${name}/callback`),
        backchannel_logout_uri: `${issuer}/upstream/stranger/backchannel-logout`,
        backchannel_logout_session_required: true,
      },
      {
        client_id: 'strict-shop',
        token_endpoint_auth_method: 'tls_client_auth',
        tls_client_auth_subject_dn: 'mutual',
        redirect_uris: ['strict', 'strict-other'].map((name) => `${issuer}/upstream/${name}/callback`),
        post_logout_redirect_uris: [`${issuer}/upstream/strict/signed-out`],
        dpop_bound_access_tokens: true,
        id_token_encrypted_response_alg: 'ECDH-ES',
        id_token_encrypted_response_enc: 'A256GCM',
        jwks,
      },
    ],
    claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, name: `${id} Example`, email: `${id}@example.com`, email_verified: true }),
    }),
    pkce: { required: () => true },
    clientAuthMethods: ['client_secret_basic', 'tls_client_auth'],
    features: {
      backchannelLogout: { enabled: true },
      dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true },
      encryption: { enabled: true },
      mTLS: {
        enabled: true,
        tlsClientAuth: true,
        getCertificate: (ctx) => shown(ctx).raw && new X509Certificate(shown(ctx).raw),
        certificateAuthorized: (ctx) => ctx.socket.authorized,
        certificateSubjectMatches: (ctx, property, expected) => property === 'tls_client_auth_subject_dn' && shown(ctx).subject.CN === expected,
      },
    },
    httpOptions: () => ({ agent: new Agent({ ca: readFileSync(at('ca.pem')) }) }),
    cookies: { keys: ['a key of the tests'] },
  })
  const key = { key: readFileSync(at('server.key')), cert: readFileSync(at('server.pem')), ca: readFileSync(at('ca.pem')), requestCert: true, rejectUnauthorized: false }
  listener = createServer(key, provider.callback()).listen(port, '127.0.0.1')
}

// Goes through our pages and the stranger's. Returns where it ends: a URL of the client, or the text of a page of ours.
async function signIn(address, button, name, browse = browser()) {
  let [url, pressed] = [address, false]
  let page = await browse(url)
  for (let step = 0; step < 20; step++) {
    const onward = page.location ?? unescape(page.html.match(/http-equiv="refresh" content="0;url=([^"]*)"/)?.[1] ?? '')
    if (onward.startsWith(back)) return new URL(onward)
    if (onward) {
      url = new URL(onward, url).href
      page = await browse(url)
      continue
    }
    assert.equal(page.status, 200, page.html)
    const form = new URLSearchParams()
    for (const [tag] of page.html.matchAll(/<(input|button)[^>]*>/g)) {
      const field = tag.match(/ name="([^"]*)"/)?.[1]
      if (field && !form.has(field)) form.set(field, unescape(tag.match(/ value="([^"]*)"/)?.[1] ?? ''))
    }
    const { issuer } = await server()
    if (url.startsWith(issuer)) {
      if (pressed) return page.html
      form.set('action', button)
      pressed = true
    }
    if (form.has('login')) form.set('login', name), form.set('password', 'anything')
    url = new URL(unescape(page.html.match(/<form[^>]* action="([^"]*)"/)[1]), url).href
    page = await browse(url, form)
  }
  throw new Error('the sign-in does not end')
}

test('oidc-provider as the provider of a sign-in', async () => {
  const { issuer } = await server()
  await stranger()
  const site = await client.discovery(new URL(issuer), 'social-site', {}, client.ClientSecretBasic(secret))
  const ask = async (button, name) => {
    const pkceCodeVerifier = client.randomPKCECodeVerifier()
    const [expectedState, code_challenge] = [client.randomState(), await client.calculatePKCECodeChallenge(pkceCodeVerifier)]
    const request = { redirect_uri: back, scope: 'openid profile email', state: expectedState, code_challenge, code_challenge_method: 'S256' }
    const answer = await signIn(client.buildAuthorizationUrl(site, request).href, button, name)
    if (!(answer instanceof URL)) return answer
    const tokens = await client.authorizationCodeGrant(site, answer, { pkceCodeVerifier, expectedState, idTokenExpected: true })
    assert.equal(tokens.claims().iss, issuer)
    return client.fetchUserInfo(site, tokens.access_token, tokens.claims().sub)
  }
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

// OpenID Connect Back-Channel Logout 1.0: the provider tells our server, which asks for everything at the next request.
test('oidc-provider tells our server that a person signed out', async () => {
  const { issuer, stranger: port } = await server()
  const site = await client.discovery(new URL(issuer), 'social-site', {}, client.ClientSecretBasic(secret))
  const address = async (more) => {
    const code_challenge = await client.calculatePKCECodeChallenge(client.randomPKCECodeVerifier())
    const request = { redirect_uri: back, scope: 'openid', code_challenge, code_challenge_method: 'S256', ...more }
    return client.buildAuthorizationUrl(site, request).href
  }
  const [carol, dave] = [browser(), browser()]
  for (const [browse, name] of [[carol, 'carol'], [dave, 'dave']])
    assert.ok((await signIn(await address(), 'use_upstream:stranger', name, browse)).searchParams.get('code'))
  // Without a page: a code, or the word that the person has to sign in.
  const asked = async (browse) => {
    const answer = new URL((await browse(await address({ prompt: 'none' }))).location).searchParams
    return answer.get('error') ?? (answer.get('code') && 'signed in')
  }
  assert.deepEqual([await asked(carol), await asked(dave)], ['signed in', 'signed in'])
  const page = await carol(`https://127.0.0.1:${port}/session/end`)
  const form = new URLSearchParams({ xsrf: page.html.match(/name="xsrf" value="([^"]*)"/)[1], logout: 'yes' })
  const left = await carol(unescape(page.html.match(/<form[^>]* action="([^"]*)"/)[1]), form)
  assert.ok(left.status < 400, left.html)
  assert.deepEqual([await asked(carol), await asked(dave)], ['login_required', 'signed in'])
})

// RFC 8705, RFC 9449, RFC 7516, OpenID Connect RP-Initiated Logout 1.0: what the operator wants of the provider, it gets.
test('oidc-provider with a client certificate, bound tokens and encrypted ID tokens, and its sign-out', async () => {
  const { issuer, stranger: port } = await server()
  const site = await client.discovery(new URL(issuer), 'social-site', {}, client.ClientSecretBasic(secret))
  const begin = async () => {
    const pkceCodeVerifier = client.randomPKCECodeVerifier()
    const [expectedState, code_challenge] = [client.randomState(), await client.calculatePKCECodeChallenge(pkceCodeVerifier)]
    const request = { redirect_uri: back, scope: 'openid profile', state: expectedState, code_challenge, code_challenge_method: 'S256' }
    return [client.buildAuthorizationUrl(site, request).href, { pkceCodeVerifier, expectedState, idTokenExpected: true }]
  }
  const eve = browser()
  const [address, checks] = await begin()
  const answer = await signIn(address, 'use_upstream:strict', 'eve', eve)
  assert.ok(answer instanceof URL, answer)
  const tokens = await client.authorizationCodeGrant(site, answer, checks)
  const said = await client.fetchUserInfo(site, tokens.access_token, tokens.claims().sub)
  assert.equal(said.name, 'eve Example', 'from userinfo, with a proof')
  // The twin: a certificate of the same CA with another name.
  const [again] = await begin()
  assert.match(await signIn(again, 'use_upstream:strict-other', 'eve'), /That did not work/)
  // She signs out here, there, and is back here.
  let page = await eve(`${issuer}/logout`)
  let url = `${issuer}/logout`
  for (let step = 0; step < 12 && !page.html?.includes('You are signed out'); step++) {
    const onward = page.location ?? unescape(page.html.match(/http-equiv="refresh" content="0;url=([^"]*)"/)?.[1] ?? '')
    if (onward) {
      url = new URL(onward, url).href
      page = await eve(url)
      continue
    }
    const form = new URLSearchParams()
    for (const [tag] of page.html.matchAll(/<(input|button)[^>]*>/g)) {
      const field = tag.match(/ name="([^"]*)"/)?.[1]
      if (field && !form.has(field)) form.set(field, unescape(tag.match(/ value="([^"]*)"/)?.[1] ?? ''))
    }
    url = new URL(unescape(page.html.match(/<form[^>]* action="([^"]*)"/)[1]), url).href
    page = await eve(url, form)
  }
  assert.ok(url.startsWith(`${issuer}/upstream/strict/signed-out`), `${url} ${page.html}`)
  const there = await eve(`https://127.0.0.1:${port}/auth?${new URLSearchParams({ client_id: 'example-shop', response_type: 'code', scope: 'openid', prompt: 'none', redirect_uri: `${issuer}/upstream/stranger/callback`, code_challenge: 'A'.repeat(43), code_challenge_method: 'S256' })}`)
  assert.match(there.location, /error=login_required/)
})
