// node-oidc-provider, set up for `cargo xtask bench --against`. docs/performance.md says how it is started.
// It keeps everything in PostgreSQL: DATABASE_URL. The pages for development only sign people in; no row measures them.
import { generateKeyPairSync } from 'node:crypto';
import pg from 'pg';
import Provider from 'oidc-provider';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
await pool.query(`CREATE TABLE IF NOT EXISTS artifact (
  kind text NOT NULL, id text NOT NULL, payload jsonb NOT NULL, grant_id text, uid text, user_code text,
  expires_at timestamptz, consumed_at timestamptz, PRIMARY KEY (kind, id))`);
await pool.query('CREATE INDEX IF NOT EXISTS artifact_grant ON artifact (grant_id) WHERE grant_id IS NOT NULL');
await pool.query('CREATE INDEX IF NOT EXISTS artifact_uid ON artifact (uid) WHERE uid IS NOT NULL');

// What is past its time is not there. What was used says when.
const read = ({ rows: [row] }) => row && (!row.expires_at || row.expires_at > new Date())
  ? { ...row.payload, ...(row.consumed_at ? { consumed: Math.floor(row.consumed_at / 1000) } : {}) } : undefined;

class Adapter {
  constructor(kind) { this.kind = kind; }
  async upsert(id, payload, expiresIn) {
    await pool.query({ name: 'upsert', text: `INSERT INTO artifact (kind, id, payload, grant_id, uid, user_code, expires_at)
      VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (kind, id) DO UPDATE SET payload = excluded.payload,
      grant_id = excluded.grant_id, uid = excluded.uid, user_code = excluded.user_code, expires_at = excluded.expires_at`,
    values: [this.kind, id, JSON.stringify(payload), payload.grantId ?? null, payload.uid ?? null, payload.userCode ?? null,
      expiresIn ? new Date(Date.now() + expiresIn * 1000) : null] });
  }
  async find(id) {
    return read(await pool.query({ name: 'find', text: 'SELECT * FROM artifact WHERE kind = $1 AND id = $2', values: [this.kind, id] }));
  }
  async findByUid(uid) {
    return read(await pool.query({ name: 'uid', text: 'SELECT * FROM artifact WHERE kind = $1 AND uid = $2', values: [this.kind, uid] }));
  }
  async findByUserCode(code) {
    return read(await pool.query('SELECT * FROM artifact WHERE kind = $1 AND user_code = $2', [this.kind, code]));
  }
  async consume(id) {
    await pool.query({ name: 'consume', text: 'UPDATE artifact SET consumed_at = now() WHERE kind = $1 AND id = $2', values: [this.kind, id] });
  }
  async destroy(id) { await pool.query({ name: 'destroy', text: 'DELETE FROM artifact WHERE kind = $1 AND id = $2', values: [this.kind, id] }); }
  async revokeByGrantId(grantId) { await pool.query('DELETE FROM artifact WHERE kind = $1 AND grant_id = $2', [this.kind, grantId]); }
}

const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
const api = 'https://api.example.com';
const port = Number(process.env.PORT ?? 8080);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  adapter: Adapter,
  jwks: { keys: [{ ...jwk, use: 'sig', alg: 'ES256', kid: 'one' }] },
  cookies: { keys: ['a secret of the benchmark'] },
  clients: [
    { client_id: 'phone', token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'], redirect_uris: ['https://app.example.com/callback'], application_type: 'web',
      id_token_signed_response_alg: 'ES256', scope: 'openid offline_access orders:read' },
    { client_id: 'robot', client_secret: 'secret', grant_types: ['client_credentials'], response_types: [], redirect_uris: [],
      scope: 'orders:read' },
  ],
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  scopes: ['openid', 'offline_access', 'orders:read'],
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  features: {
    devInteractions: { enabled: true }, clientCredentials: { enabled: true },
    dPoP: { enabled: true, requireNonce: () => false },
    resourceIndicators: {
      enabled: true, defaultResource: () => api, useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: 'orders:read', accessTokenTTL: 300, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }),
    },
  },
});
provider.listen(port, '127.0.0.1', () => console.log('listening'));
