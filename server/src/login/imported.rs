//! Passwords that another system kept: bcrypt, argon2, PBKDF2 as Keycloak has it, scrypt as Firebase has it. Their digests come by an
//! import, and stand beside ours until the person signs in. Then the password is known, and one of ours takes their place.

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use aws_lc_rs::cipher::{AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2;
use serde::Deserialize;
use serde_json::Value as Json;
use std::num::NonZeroU32;
use symbolon_oauth::{base64url, digest};

/// What every digest of ours begins with.
const OURS: &str = "$argon2id$v=19$m=19456,t=2,p=1$";
const FIREBASE: &str = "$firebase-scrypt$";
const PBKDF2: [(&str, &pbkdf2::Algorithm); 3] =
    [("pbkdf2", &pbkdf2::PBKDF2_HMAC_SHA1), ("pbkdf2-sha256", &pbkdf2::PBKDF2_HMAC_SHA256), ("pbkdf2-sha512", &pbkdf2::PBKDF2_HMAC_SHA512)];
/// The most work that one comparison may be; a digest that asks for more is refused at the import. Somebody else waits meanwhile.
const MOST_BCRYPT_COST: u32 = 14;
const MOST_ITERATIONS: u32 = 2_000_000;
const MOST_ARGON2_KIB: u32 = 128 * 1024;
const MOST_ARGON2_PASSES: u32 = 20;
const MOST_SCRYPT_LOG_N: u8 = 16;
const MOST_SCRYPT_R: u32 = 8;
/// Less work than this protects nobody; such a person chooses a new password.
const LEAST_ITERATIONS: u32 = 1000;
const LEAST_BCRYPT_COST: u32 = 6;
const LEAST_SCRYPT_LOG_N: u8 = 10;
const LONGEST: usize = 512;

/// Was the digest made by another system, so that the next sign-in replaces it?
pub fn is_foreign(stored: &str) -> bool {
    !stored.starts_with(OURS)
}

/// Does the password fit a digest, ours or another system's? What cannot be read fits nothing.
pub fn fits(stored: &str, password: &str) -> bool {
    match Digest::parse(stored) {
        Ok(Digest::Argon2) => {
            PasswordHash::new(stored).is_ok_and(|read| Argon2::default().verify_password(password.as_bytes(), &read).is_ok())
        }
        Ok(Digest::Bcrypt) => bcrypt::verify(password, stored).unwrap_or(false),
        Ok(Digest::Pbkdf2 { algorithm, iterations, salt, hash }) => {
            pbkdf2::verify(*algorithm, iterations, &salt, password.as_bytes(), &hash).is_ok()
        }
        Ok(Digest::Firebase { log_n, r, salt, keystream }) => {
            firebase_keystream(password, (log_n, r), &salt, keystream.len()).is_some_and(|made| digest::equal(&made, &keystream))
        }
        Err(_) => false,
    }
}

/// A digest as the store keeps it, read and judged.
enum Digest {
    Argon2,
    Bcrypt,
    Pbkdf2 {
        algorithm: &'static pbkdf2::Algorithm,
        iterations: NonZeroU32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    /// The signer key is not kept. Firebase stores the signer key under a keystream that the password makes, so that the keystream says as
    /// much.
    Firebase {
        log_n: u8,
        r: u32,
        salt: Vec<u8>,
        keystream: Vec<u8>,
    },
}

type Parsed<T> = std::result::Result<T, String>;

impl Digest {
    fn parse(text: &str) -> Parsed<Self> {
        let unknown = || "the digest is none of bcrypt, argon2, PBKDF2 and scrypt of Firebase".to_owned();
        if text.len() > LONGEST {
            return Err(format!("the digest has more than {LONGEST} bytes"));
        }
        if text.starts_with("$argon2") {
            return judge_argon2(text);
        }
        if ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|begin| text.starts_with(begin)) {
            return judge_bcrypt(text);
        }
        let mut pieces = text.strip_prefix('$').ok_or_else(unknown)?.split('$');
        let (Some(name), Some(parameters), Some(salt), Some(hash), None) =
            (pieces.next(), pieces.next(), pieces.next(), pieces.next(), pieces.next())
        else {
            return Err(unknown());
        };
        let (salt, hash) = (bytes("salt", salt)?, bytes("hash", hash)?);
        if salt.is_empty() || salt.len() > 64 || !(20..=64).contains(&hash.len()) {
            return Err("the salt has 1 to 64 bytes, the hash 20 to 64".to_owned());
        }
        if name == "firebase-scrypt" {
            let (log_n, r) = (number(parameters, "ln")?, number(parameters, "r")?);
            let log_n = u8::try_from(log_n).unwrap_or(u8::MAX);
            within("mem_cost", log_n.into(), LEAST_SCRYPT_LOG_N.into(), MOST_SCRYPT_LOG_N.into())?;
            within("rounds", r, 1, MOST_SCRYPT_R)?;
            return Ok(Self::Firebase { log_n, r, salt, keystream: hash });
        }
        let (_, algorithm) = PBKDF2.iter().find(|(known, _)| *known == name).ok_or_else(unknown)?;
        let iterations = number(parameters, "i")?;
        within("iterations", iterations, LEAST_ITERATIONS, MOST_ITERATIONS)?;
        let iterations = NonZeroU32::new(iterations).ok_or_else(unknown)?;
        Ok(Self::Pbkdf2 { algorithm, iterations, salt, hash })
    }
}

fn judge_argon2(text: &str) -> Parsed<Digest> {
    let read = PasswordHash::new(text).map_err(|why| format!("the argon2 digest: {why}"))?;
    let parameters = argon2::Params::try_from(&read).map_err(|why| format!("the argon2 digest: {why}"))?;
    within("m of argon2", parameters.m_cost(), 1024, MOST_ARGON2_KIB)?;
    within("t of argon2", parameters.t_cost(), 1, MOST_ARGON2_PASSES)?;
    Ok(Digest::Argon2)
}

fn judge_bcrypt(text: &str) -> Parsed<Digest> {
    let parts: bcrypt::HashParts = text.parse().map_err(|why| format!("the bcrypt digest: {why}"))?;
    within("the cost of bcrypt", parts.get_cost(), LEAST_BCRYPT_COST, MOST_BCRYPT_COST)?;
    Ok(Digest::Bcrypt)
}

fn within(name: &str, value: u32, least: u32, most: u32) -> Parsed<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let then = if value < least { "too little to protect a password" } else { "too much work for one sign-in" };
    Err(format!("{name} is {value}, {then}: {least} to {most} are taken"))
}

/// The value of `name` in parameters such as `i=27500,l=64`.
fn number(parameters: &str, name: &str) -> Parsed<u32> {
    let value = parameters.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    value.and_then(|text| text.parse().ok()).ok_or_else(|| format!("the digest has no {name}"))
}

/// Base64 in either alphabet, padded or not: exports have all four.
fn bytes(name: &str, text: &str) -> Parsed<Vec<u8>> {
    let plain = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    base64url::decode(&plain).ok_or_else(|| format!("{name} is no base64"))
}

/// The first bytes of AES-256 in counter mode. The counter begins at zero, and scrypt makes the key of the password.
fn firebase_keystream(password: &str, (log_n, r): (u8, u32), salt: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut derived = zeroize::Zeroizing::new([0; 64]);
    scrypt::scrypt(password.as_bytes(), salt, &scrypt::Params::new(log_n, r, 1).ok()?, derived.as_mut()).ok()?;
    let key = DecryptingKey::ctr(UnboundCipherKey::new(&AES_256, derived.get(..32)?).ok()?).ok()?;
    let mut zeros = vec![0; length];
    key.decrypt(&mut zeros, DecryptionContext::Iv128(FixedLength::from([0; 16]))).ok()?;
    Some(zeros)
}

/// A digest as a file of people has it.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Given {
    /// bcrypt, or argon2 and PBKDF2 in PHC form.
    Text(String),
    Keycloak(Keycloak),
    Firebase(FirebaseHash),
}

/// A credential of type `password` as Keycloak exports it: JSON within JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Keycloak {
    secret_data: String,
    credential_data: String,
}

/// As `firebase auth:export` writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FirebaseHash {
    password_hash: String,
    salt: String,
}

/// The parameters of a Firebase project, which are the same for all of its people.
pub struct FirebaseProject {
    signer_key: Vec<u8>,
    salt_separator: Vec<u8>,
    rounds: u32,
    log_n: u32,
}

impl FirebaseProject {
    /// Reads what the Firebase console shows: lines of `name: value,`.
    pub fn read(text: &str) -> Parsed<Self> {
        let value = |name: &str| {
            let line = text.lines().map(str::trim).find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
            line.map(|rest| rest.trim().trim_end_matches(',').trim_matches('"').to_owned()).ok_or_else(|| format!("there is no {name}"))
        };
        let whole = |name: &str| value(name)?.parse::<u32>().map_err(|_| format!("{name} is no number"));
        let algorithm = value("algorithm")?;
        if algorithm != "SCRYPT" {
            return Err(format!("algorithm is {algorithm}, and not SCRYPT"));
        }
        let signer_key = bytes("base64_signer_key", &value("base64_signer_key")?)?;
        if !(20..=64).contains(&signer_key.len()) {
            return Err("base64_signer_key has 20 to 64 bytes".to_owned());
        }
        let salt_separator = bytes("base64_salt_separator", &value("base64_salt_separator")?)?;
        Ok(Self { signer_key, salt_separator, rounds: whole("rounds")?, log_n: whole("mem_cost")? })
    }
}

impl Given {
    /// The digest as the store keeps it.
    pub fn stored(&self, firebase: Option<&FirebaseProject>) -> Parsed<String> {
        let text = match self {
            Self::Text(text) => text.clone(),
            Self::Keycloak(credential) => credential.stored()?,
            Self::Firebase(hash) => hash.stored(firebase.ok_or("a digest of Firebase needs the project's parameters: --firebase FILE")?)?,
        };
        Digest::parse(&text)?;
        Ok(text)
    }
}

impl Keycloak {
    fn stored(&self) -> Parsed<String> {
        let member = |name: &str, text: &str| serde_json::from_str::<Json>(text).map_err(|_| format!("{name} is no JSON"));
        let (secret, data) = (member("secretData", &self.secret_data)?, member("credentialData", &self.credential_data)?);
        let text = |value: &Json, name: &str| value.as_str().map(str::to_owned).ok_or_else(|| format!("there is no {name}"));
        let algorithm = text(&data["algorithm"], "algorithm")?;
        let iterations = data["hashIterations"].as_u64().ok_or("there is no hashIterations")?;
        let plain = |name: &str| text(&secret[name], name).and_then(|it| bytes(name, &it));
        let (salt, value) = (plain("salt")?, plain("value")?);
        if algorithm == "argon2" {
            let more = |name: &str| text(&data["additionalParameters"][name][0], name);
            let (kind, memory, lanes) = (more("type")?, more("memory")?, more("parallelism")?);
            if more("version")? != "1.3" {
                return Err("the version of argon2 is not 1.3".to_owned());
            }
            let standard = |bytes: &[u8]| data_encoding::BASE64_NOPAD.encode(bytes);
            return Ok(format!("$argon2{kind}$v=19$m={memory},t={iterations},p={lanes}${}${}", standard(&salt), standard(&value)));
        }
        if !PBKDF2.iter().any(|(known, _)| *known == algorithm) {
            return Err(format!("{algorithm} is none of argon2, pbkdf2, pbkdf2-sha256 and pbkdf2-sha512"));
        }
        Ok(format!("${algorithm}$i={iterations}${}${}", base64url::encode(&salt), base64url::encode(&value)))
    }
}

impl FirebaseHash {
    fn stored(&self, project: &FirebaseProject) -> Parsed<String> {
        let (hash, salt) = (bytes("passwordHash", &self.password_hash)?, bytes("salt", &self.salt)?);
        if hash.len() != project.signer_key.len() {
            return Err("passwordHash is not as long as the project's signer key: is it another project's?".to_owned());
        }
        let salt = [salt.as_slice(), &project.salt_separator].concat();
        let keystream: Vec<u8> = hash.iter().zip(&project.signer_key).map(|(one, other)| one ^ other).collect();
        let (log_n, r) = (project.log_n, project.rounds);
        Ok(format!("{FIREBASE}ln={log_n},r={r}${}${}", base64url::encode(&salt), base64url::encode(&keystream)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use aws_lc_rs::cipher::EncryptingKey;
    use serde_json::json;

    fn stored(given: &Json, project: Option<&FirebaseProject>) -> Parsed<String> {
        serde_json::from_value::<Given>(given.clone()).map_err(|why| why.to_string())?.stored(project)
    }

    fn must_fit_one(stored: &str) {
        assert!(is_foreign(stored) && fits(stored, "correct horse"), "{stored}");
        assert!(!fits(stored, "wrong horse") && !fits(stored, ""), "{stored}");
    }

    #[test]
    fn bcrypt_of_every_kind() {
        let made = bcrypt::hash("correct horse", 6).unwrap();
        for version in ["$2a$", "$2b$", "$2x$", "$2y$"] {
            must_fit_one(&stored(&json!(made.replacen("$2b$", version, 1)), None).unwrap());
        }
        for (wrong, says) in [
            (made.replacen("$06$", "$04$", 1), "too little"),
            (made.replacen("$06$", "$15$", 1), "too much"),
            (made[..59].to_owned(), "bcrypt"),
            (made.replacen("$2b$", "$2c$", 1), "none of"),
        ] {
            let why = stored(&json!(wrong), None).unwrap_err();
            assert!(why.contains(says), "{wrong}: {why}");
            assert!(!fits(&wrong, "correct horse"));
        }
    }

    #[test]
    fn argon2_of_other_parameters() {
        let salt = b"saltsaltsaltsalt";
        for kind in [argon2::Algorithm::Argon2i, argon2::Algorithm::Argon2d, argon2::Algorithm::Argon2id] {
            use argon2::password_hash::PasswordHasher;
            let parameters = argon2::Params::new(7168, 5, 1, Some(32)).unwrap();
            let made = Argon2::new(kind, argon2::Version::V0x13, parameters).hash_password_with_salt(b"correct horse", salt).unwrap();
            must_fit_one(&stored(&json!(made.to_string()), None).unwrap());
        }
        let huge = "$argon2id$v=19$m=4194304,t=3,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
        assert!(stored(&json!(huge), None).unwrap_err().contains("too much work"));
    }

    #[test]
    fn what_keycloak_exports() {
        let standard = |bytes: &[u8]| data_encoding::BASE64.encode(bytes);
        for (algorithm, length, how) in [
            ("pbkdf2", 64, &pbkdf2::PBKDF2_HMAC_SHA1),
            ("pbkdf2-sha256", 64, &pbkdf2::PBKDF2_HMAC_SHA256),
            ("pbkdf2-sha256", 32, &pbkdf2::PBKDF2_HMAC_SHA256),
            ("pbkdf2-sha512", 64, &pbkdf2::PBKDF2_HMAC_SHA512),
        ] {
            let mut value = vec![0; length];
            pbkdf2::derive(*how, NonZeroU32::new(1000).unwrap(), b"sixteen bytes!!!", b"correct horse", &mut value);
            let with = |iterations: u32| {
                json!({
                    "id": "1", "type": "password", "createdDate": 1_600_000_000_000_i64,
                    "secretData": json!({ "value": standard(&value), "salt": standard(b"sixteen bytes!!!"), "additionalParameters": {} }).to_string(),
                    "credentialData": json!({ "hashIterations": iterations, "algorithm": algorithm, "additionalParameters": {} }).to_string(),
                })
            };
            must_fit_one(&stored(&with(1000), None).unwrap());
            assert!(!fits(&stored(&with(1001), None).unwrap(), "correct horse"));
            assert!(stored(&with(1), None).unwrap_err().contains("too little"));
            assert!(stored(&with(4_000_000), None).unwrap_err().contains("too much"));
        }
        let made = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, argon2::Params::new(7168, 5, 1, Some(32)).unwrap());
        let mut value = [0; 32];
        made.hash_password_into(b"correct horse", b"sixteen bytes!!!", &mut value).unwrap();
        let more = json!({ "hashLength": ["32"], "memory": ["7168"], "type": ["id"], "version": ["1.3"], "parallelism": ["1"] });
        let credential = json!({
            "secretData": json!({ "value": standard(&value), "salt": standard(b"sixteen bytes!!!") }).to_string(),
            "credentialData": json!({ "hashIterations": 5, "algorithm": "argon2", "additionalParameters": more }).to_string(),
        });
        must_fit_one(&stored(&credential, None).unwrap());
        let other = json!({ "secretData": "{}", "credentialData": "{\"algorithm\":\"md5\",\"hashIterations\":1}" });
        assert!(stored(&other, None).is_err());
    }

    /// As Firebase makes it: the signer key, encrypted under what scrypt makes of the password.
    #[test]
    fn what_firebase_exports() {
        let signer_key: Vec<u8> = (0..64).collect();
        let console = format!(
            "hash_config {{\n  algorithm: SCRYPT,\n  base64_signer_key: {},\n  base64_salt_separator: Bw==,\n  rounds: 8,\n  mem_cost: 10,\n}}",
            data_encoding::BASE64.encode(&signer_key)
        );
        let project = FirebaseProject::read(&console).unwrap();
        let mut derived = [0; 64];
        let salt = b"ten bytes!\x07";
        scrypt::scrypt(b"correct horse", salt, &scrypt::Params::new(10, 8, 1).unwrap(), &mut derived).unwrap();
        let key = EncryptingKey::ctr(UnboundCipherKey::new(&AES_256, &derived[..32]).unwrap()).unwrap();
        let mut hash = signer_key.clone();
        key.less_safe_encrypt(&mut hash, aws_lc_rs::cipher::EncryptionContext::Iv128(FixedLength::from([0; 16]))).unwrap();
        for encoding in [&data_encoding::BASE64, &data_encoding::BASE64URL] {
            let line = json!({ "passwordHash": encoding.encode(&hash), "salt": encoding.encode(b"ten bytes!") });
            let kept = stored(&line, Some(&project)).unwrap();
            must_fit_one(&kept);
            assert!(stored(&line, None).unwrap_err().contains("--firebase"));
        }
        let short = json!({ "passwordHash": "AAAA", "salt": "AAAA" });
        assert!(stored(&short, Some(&project)).unwrap_err().contains("another project's"));
        for (from, to, says) in [
            ("SCRYPT", "STANDARD_SCRYPT", "not SCRYPT"),
            ("mem_cost", "memory", "no mem_cost"),
            ("rounds: 8", "rounds: many", "no number"),
            ("base64_signer_key: AAECAw", "base64_signer_key: ?", "base64"),
        ] {
            let why = FirebaseProject::read(&console.replacen(from, to, 1)).err().unwrap();
            assert!(why.contains(says), "{why}");
        }
        let costly = FirebaseProject::read(&console.replacen("mem_cost: 10", "mem_cost: 24", 1)).unwrap();
        let line = json!({ "passwordHash": data_encoding::BASE64.encode(&hash), "salt": "AAAA" });
        assert!(stored(&line, Some(&costly)).unwrap_err().contains("too much work"));
    }

    #[test]
    fn what_cannot_be_read_fits_nothing() {
        for text in
            ["", "$", "plain", "{SSHA}x", "$pbkdf2-sha256$i=1000$$", "$firebase-scrypt$ln=99,r=8$AAAA$AAAA", "$1$salt$hash", "$6$a$b"]
        {
            assert!(!fits(text, "") && !fits(text, "plain") && stored(&json!(text), None).is_err(), "{text}");
        }
        assert!(stored(&json!("$2b$".to_owned() + &"x".repeat(600)), None).is_err());
        assert!(!is_foreign("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaA"));
    }
}
