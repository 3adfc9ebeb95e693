// OpenID providers that we did not write: people sign in at our server with their accounts.
import { X509Certificate } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Agent, createServer } from 'node:https'
import { after } from 'node:test'
import Provider from 'oidc-provider'
import { answers, family, freePorts, secret, server } from './world.mjs'

let listener
after(() => listener?.close().closeAllConnections())

// Everybody may sign in there, by any name. PKCE is demanded, and both ways back are ours.
export async function oidcProvider() {
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
        client_id: 'example-sdk',
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        redirect_uris: ['com.example.shop:/sdk'],
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
    clientAuthMethods: ['none', 'client_secret_basic', 'tls_client_auth'],
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

let realm
export const keycloak = () => (realm ??= startKeycloak())

// A realm with two people, and the same two clients. PKCE is demanded. It wakes up slowly.
async function startKeycloak() {
  const { issuer, at, keycloak: port, children } = await server()
  const [plain, management] = await freePorts(2)
  const home = process.env.KEYCLOAK
  const person = (name) => ({
    username: name, enabled: true, email: `${name}@example.com`, emailVerified: true, firstName: name, lastName: 'Example',
    credentials: [{ type: 'password', value: 'anything' }],
  })
  const shop = {
    'pkce.code.challenge.method': 'S256',
    'backchannel.logout.url': `${issuer}/upstream/keycloak/backchannel-logout`,
    'backchannel.logout.session.required': 'true',
  }
  const people = {
    realm: 'people',
    enabled: true,
    users: ['ann', 'bob'].map(person),
    clients: [
      { clientId: 'example-shop', secret, redirectUris: [`${issuer}/upstream/keycloak/callback`], attributes: shop },
      { clientId: 'example-sdk', publicClient: true, redirectUris: ['com.example.shop:/sdk'] },
    ],
  }
  mkdirSync(`${home}/data/import`, { recursive: true })
  writeFileSync(`${home}/data/import/people.json`, JSON.stringify(people))
  const base = `https://127.0.0.1:${port}`
  const words = ['start-dev', '--import-realm', '--db=dev-mem', '--cache=local', `--hostname=${base}`, '--http-host=127.0.0.1']
    .concat([`--http-port=${plain}`, `--http-management-port=${management}`, `--https-port=${port}`, `--truststore-paths=${at('ca.pem')}`])
    .concat([`--https-certificate-file=${at('server.pem')}`, `--https-certificate-key-file=${at('server.key')}`])
  const child = family('sh', [`${home}/bin/kc.sh`, ...words], ['ignore', process.env.RUST_LOG ? 'inherit' : 'ignore', 'inherit'])
  children.push(child)
  for (let tries = 0; tries < 18; tries++)
    if (await answers(`${base}/realms/people/.well-known/openid-configuration`, child).then(() => true, () => false)) return `${base}/realms/people`
  throw new Error('Keycloak does not start')
}
