// @openid4vc/openid4vp as the wallet's protocol, @sd-jwt/sd-jwt-vc and @animo-id/mdoc as its issuers and holders, and jose for what it encrypts
// (npm): a person signs in with a credential that no line of ours has made.
import assert from 'node:assert/strict'
import { createHash, createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { cborEncode, DataItem, DeviceResponse, Document, MDoc } from '@animo-id/mdoc'
import { Openid4vpClient } from '@openid4vc/openid4vp'
import { SDJwtVcInstance } from '@sd-jwt/sd-jwt-vc'
import * as jose from 'jose'
import { browser, formOf, now, onwardOf, person, server } from './world.mjs'

const hasher = (data, alg) => createHash(alg.replace('-', '')).update(data).digest()
const signer = (key) => async (data) => {
  const der = { key, dsaEncoding: 'ieee-p1363' }
  return (await import('node:crypto')).sign('sha256', Buffer.from(data), der).toString('base64url')
}

// Issues a credential by the key and the certificate of this name.
async function issue(name, holder, claims) {
  const { at } = await server()
  const key = createPrivateKey(readFileSync(at(`${name}.key`)))
  const x5c = [new X509Certificate(readFileSync(at(`${name}.pem`))).raw.toString('base64')]
  const saltGenerator = (length) => randomBytes(length).toString('base64url')
  const instance = new SDJwtVcInstance({ signer: await signer(key), signAlg: 'ES256', hasher, hashAlg: 'sha-256', saltGenerator })
  const payload = { vct: 'urn:utopia:pid:1', iss: 'https://pid.utopia.example', iat: now(), exp: now() + 3600, cnf: { jwk: holder }, ...claims }
  const frame = { _sd: ['personal_administrative_number', 'given_name', 'address'], _sd_decoy: 3, address: { _sd: ['locality', 'street'] } }
  return instance.issue(payload, frame, { header: { x5c } })
}

const ana = { personal_administrative_number: 'UT-42', given_name: 'Ana', address: { locality: 'Amaurot', street: 'Canal 1' } }

// The holder's key, and the credential in the wallet.
async function wallet(issuer, claims) {
  const { privateKey, publicKey } = await jose.generateKeyPair('ES256', { extractable: true })
  const holder = await jose.exportJWK(publicKey)
  const key = createPrivateKey({ key: await jose.exportJWK(privateKey), format: 'jwk' })
  return { key, credential: await issue(issuer, holder, claims) }
}

const callbacks = {
  fetch,
  hash: (data, alg) => hasher(data, alg),
  generateRandom: (length) => randomBytes(length),
  getX509CertificateMetadata: (der) => {
    const names = (new X509Certificate(Buffer.from(der, 'base64')).subjectAltName ?? '').split(', ')
    return { sanDnsNames: names.filter((it) => it.startsWith('DNS:')).map((it) => it.slice(4)), sanUriNames: [] }
  },
  async verifyJwt(by, { compact }) {
    const { at } = await server()
    const leaf = new X509Certificate(Buffer.from(by.x5c[0], 'base64'))
    const trusted = leaf.verify(new X509Certificate(readFileSync(at('verifier-ca.pem'))).publicKey)
    const verified = await jose.compactVerify(compact, leaf.publicKey).then(() => trusted, () => false)
    return { verified, signerJwk: await jose.exportJWK(leaf.publicKey) }
  },
  async encryptJwe({ publicJwk, enc, alg, apu, apv }, data) {
    const header = { alg: alg ?? 'ECDH-ES', enc, kid: publicJwk.kid, ...(apu && { apu }), ...(apv && { apv }) }
    const sealing = new jose.CompactEncrypt(Buffer.from(data)).setProtectedHeader(header)
    return { encryptionJwk: publicJwk, jwe: await sealing.encrypt(await jose.importJWK(publicJwk, 'ECDH-ES')) }
  },
  decryptJwe: () => ({ decrypted: false }),
  signJwt: () => assert.fail('a wallet signs nothing but its presentation'),
}

// Begins a sign-in at this app, and reads what the wallet is asked. `more`: further parameters of the app's request.
async function asked(app, prefix = 'x509_hash', more = {}) {
  const { issuer } = await server()
  const back = `https://app.example.com/${app}`
  const parameters = { client_id: `${app}-app`, redirect_uri: back, response_type: 'code', scope: 'openid', state: 'a'.repeat(24), ...more }
  const challenge = createHash('sha256').update('v'.repeat(43)).digest('base64url')
  const query = new URLSearchParams({ ...parameters, code_challenge: challenge, code_challenge_method: 'S256' })
  const browse = browser()
  const link = await person(`${issuer}/authorize?${query}`, 'openid4vp://', browse)
  const client = new Openid4vpClient({ callbacks })
  const parsed = client.parseOpenid4vpAuthorizationRequest({ authorizationRequest: link.toString() })
  const request = await client.resolveOpenId4vpAuthorizationRequest({ authorizationRequestPayload: parsed.params })
  assert.deepEqual([request.client.prefix, request.version], [prefix, 100])
  return { browse, client, payload: request.authorizationRequestPayload }
}

// Posts what the wallet shows, and goes on in the browser: where it ends, or what the page says.
async function answered({ browse, client, payload }, vp_token) {
  const { issuer } = await server()
  const authorizationRequestPayload = payload
  const made = await client.createOpenid4vpAuthorizationResponse({
    authorizationRequestPayload,
    authorizationResponsePayload: { vp_token },
    jarm: { encryption: { nonce: randomBytes(16).toString('base64url') }, serverMetadata: { authorization_encryption_alg_values_supported: ['ECDH-ES'], authorization_encryption_enc_values_supported: ['A128GCM', 'A256GCM'] } },
  })
  const { response } = await client.submitOpenid4vpAuthorizationResponse({ authorizationRequestPayload, ...made })
  assert.equal(response.status, 200, await response.clone().text())
  const { redirect_uri } = await response.json()
  let page = await browse(redirect_uri)
  while (page.location?.startsWith(issuer)) page = await browse(page.location)
  return page.location ?? page.html.match(/http-equiv="refresh" content="0;url=([^"]*)"/)?.[1].replaceAll('&#x2f;', '/') ?? page.html
}

// With an SD-JWT. `change` bends what the holder signs.
async function signIn(held, change = {}) {
  const begun = await asked('wallet')
  return answered(begun, { pid: [await presented(held, begun.payload, change)] })
}

async function presented({ key, credential }, { nonce, client_id: aud }, change) {
  const kbSigner = await signer(key)
  const holder = new SDJwtVcInstance({ hasher, hashAlg: 'sha-256', kbSigner, kbSignAlg: 'ES256' })
  const shown = { personal_administrative_number: true, address: { locality: true } }
  return holder.present(credential, shown, { kb: { payload: { iat: now(), aud, nonce, ...change } } })
}

test('a wallet of others signs a person in', async () => {
  const end = await signIn(await wallet('pid', ana))
  assert.ok(end.startsWith('https://app.example.com/wallet?code='), end)
})

test('what such a wallet must not do signs nobody in', async () => {
  const good = await wallet('pid', ana)
  const refused = async (held, words, change) => {
    const end = await signIn(held, change)
    assert.ok(!end.includes('code=') && words.test(end), end)
  }
  await refused(good, /That did not work/, { nonce: 'another' })
  await refused(good, /That did not work/, { aud: 'x509_hash:another' })
  await refused(good, /That did not work/, { iat: now() - 3600 })
  await refused({ ...good, key: (await wallet('pid', ana)).key }, /That did not work/)
  await refused(await wallet('stranger', ana), /does not trust/)
  await refused(await wallet('pid', { ...ana, personal_administrative_number: '' }), /cannot sign you in/)
})

// A payment, at a verifier whom the wallet knows by the DNS name of its certificate. `signed`: what the holder signs of the item. Returns
// the page that follows, and its browser.
async function pay(held, signed) {
  const details = [{ type: 'payment', amount: '12.50' }]
  const begun = await asked('payment', 'x509_san_dns', { authorization_details: JSON.stringify(details) })
  assert.equal(begun.payload.client_id, 'x509_san_dns:127.0.0.1')
  const [item, ...others] = begun.payload.transaction_data
  const read = JSON.parse(Buffer.from(item, 'base64url'))
  assert.deepEqual([read.type, read.credential_ids, read.authorization_details, others], ['urn:utopia:payment', ['pid'], details, []])
  return { html: await answered(begun, { pid: [await presented(held, begun.payload, signed(item))] }), browse: begun.browse }
}

const hashed = (item) => ({ transaction_data_hashes: [digest(item).toString('base64url')], transaction_data_hashes_alg: 'sha-256' })

test('a wallet of others signs a payment, at a verifier with a DNS name', async () => {
  const held = await wallet('pid', { ...ana, personal_administrative_number: 'UT-43' })
  const { html, browse } = await pay(held, hashed)
  assert.ok(html.includes('Pay once') && html.includes('12.50'), html)
  const { form, action } = formOf(html)
  let page = await browse(action, form)
  const { issuer } = await server()
  while (page.location?.startsWith(issuer)) page = await browse(page.location)
  const end = onwardOf(page)
  assert.ok(end.startsWith('https://app.example.com/payment?code='), end || page.html)
})

test('a payment that such a wallet does not sign as it was sent is none', async () => {
  const held = await wallet('pid', { ...ana, personal_administrative_number: 'UT-43' })
  for (const signed of [() => ({}), (item) => hashed(`${item}x`), (item) => ({ ...hashed(item), transaction_data_hashes_alg: 'sha-512' })]) {
    const { html } = await pay(held, signed)
    assert.ok(!html.includes('Pay once') && /That did not work/.test(html), html)
  }
})

const licence = 'org.iso.18013.5.1.mDL'
const namespace = 'org.iso.18013.5.1'
const digest = (bytes) => createHash('sha256').update(bytes).digest()
const mdoc = {
  crypto: { random: (length) => randomBytes(length), digest: ({ bytes }) => digest(bytes) },
  cose: {
    sign1: {
      async sign({ sign1, jwk }) {
        const sign = await signer(createPrivateKey({ key: jwk, format: 'jwk' }))
        return Buffer.from(await sign(sign1.getRawSigningData().data), 'base64url')
      },
    },
  },
}

// A driving licence by the key and the certificate of this name, and the holder's key.
async function drivingLicence(name) {
  const { at } = await server()
  const { privateKey, publicKey } = await jose.generateKeyPair('ES256', { extractable: true })
  const [key, deviceKey] = [await jose.exportJWK(privateKey), await jose.exportJWK(publicKey)]
  const issuerPrivateKey = createPrivateKey(readFileSync(at(`${name}.key`))).export({ format: 'jwk' })
  const document = await new Document(licence, mdoc)
    .addIssuerNameSpace(namespace, { document_number: 'UT-7', given_name: 'Ana', portrait: new Uint8Array(64) })
    .useDigestAlgorithm('SHA-256')
    .addValidityInfo({ signed: new Date(), validUntil: new Date(Date.now() + 3_600_000) })
    .addDeviceKeyInfo({ deviceKey })
    .sign({ issuerPrivateKey, issuerCertificate: readFileSync(at(`${name}.pem`), 'utf8'), alg: 'ES256' }, mdoc)
  return { key, mdoc: new MDoc([document]) }
}

// OpenID4VP 1.0, B.2.6.1. `change` bends what goes into it.
async function transcript(payload, change) {
  const key = payload.client_metadata.jwks.keys[0]
  const thumbprint = new Uint8Array(Buffer.from(await jose.calculateJwkThumbprint(key), 'base64url'))
  const { client_id, nonce, response_uri } = { ...payload, ...change }
  const info = cborEncode([client_id, nonce, change.thumbprint ?? thumbprint, response_uri])
  const handover = ['OpenID4VPHandover', new Uint8Array(digest(info))]
  return (response) => response.usingSessionTranscriptBytes(cborEncode(DataItem.fromData([null, null, handover])))
}

// ISO/IEC 18013-7:2024, which is what this library makes by itself.
const older = ({ client_id, nonce, response_uri }) => (response) =>
  response.usingSessionTranscriptForOID4VP({ mdocGeneratedNonce: 'n'.repeat(22), clientId: client_id, responseUri: response_uri, verifierGeneratedNonce: nonce })

async function drive(held, about = (payload) => transcript(payload, {})) {
  const begun = await asked('licence')
  const fields = [{ path: [`$['${namespace}']['document_number']`], intent_to_retain: false }]
  const descriptor = { id: licence, format: { mso_mdoc: { alg: ['ES256'] } }, constraints: { limit_disclosure: 'required', fields } }
  const response = DeviceResponse.from(held.mdoc).usingPresentationDefinition({ id: 'a', input_descriptors: [descriptor] })
  const signed = await (await about(begun.payload))(response).authenticateWithSignature(held.key, 'ES256').sign(mdoc)
  return answered(begun, { mdl: [Buffer.from(signed.encode()).toString('base64url')] })
}

test('an mdoc of others signs a person in', async () => {
  const end = await drive(await drivingLicence('pid'))
  assert.ok(end.startsWith('https://app.example.com/licence?code='), end)
})

test('an mdoc that is about something else signs nobody in', async () => {
  const good = await drivingLicence('pid')
  const refused = async (held, words, about) => {
    const end = await drive(held, about)
    assert.ok(!end.includes('code=') && words.test(end), end)
  }
  const bent = (change) => (payload) => transcript(payload, change)
  await refused(good, /That did not work/, bent({ nonce: 'another' }))
  await refused(good, /That did not work/, bent({ client_id: 'x509_hash:another' }))
  await refused(good, /That did not work/, bent({ response_uri: 'https://other.example/response' }))
  await refused(good, /That did not work/, bent({ thumbprint: new Uint8Array(32) }))
  await refused(good, /That did not work/, older)
  await refused({ ...good, key: (await drivingLicence('pid')).key }, /That did not work/)
  await refused(await drivingLicence('stranger'), /does not trust/)
})
