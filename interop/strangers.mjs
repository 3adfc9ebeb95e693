// OpenID providers that we did not write: people sign in at our server with their accounts.
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Agent, createServer } from 'node:https'
import { after } from 'node:test'
import Provider from 'oidc-provider'
import { secret, server } from './world.mjs'

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
