//! Authenticator data. WebAuthn Level 3, 6.1: digest of the RP ID, flags, counter, then a credential and extensions where the flags
//! announce them, and nothing else.

use crate::{MAX_CREDENTIAL_ID_BYTES, Unreadable};
use minicbor::Decoder;
use symbolon_attest::cbor;

const CUT: Unreadable = Unreadable("the authenticator data is cut off, or longer than its flags announce");
/// Room for the longest credential id, an RSA key and extensions.
const MAX_BYTES: usize = 8 * 1024;

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const CREDENTIAL: u8 = 0x40;
const EXTENSIONS: u8 = 0x80;

#[derive(Debug)]
pub(crate) struct AuthenticatorData<'a> {
    pub rp_id_hash: &'a [u8],
    flags: u8,
    pub counter: u32,
    pub credential: Option<AttestedCredential<'a>>,
}

/// WebAuthn Level 3, 6.5.1.
#[derive(Debug)]
pub(crate) struct AttestedCredential<'a> {
    pub aaguid: [u8; 16],
    pub id: &'a [u8],
    /// COSE_Key, as it stands.
    pub key: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        if bytes.len() > MAX_BYTES {
            return Err(Unreadable("the authenticator data is larger than 8 KiB"));
        }
        let (rp_id_hash, rest) = bytes.split_at_checked(32).ok_or(CUT)?;
        let (flags, rest) = rest.split_first().ok_or(CUT)?;
        let (counter, mut rest) = rest.split_first_chunk::<4>().ok_or(CUT)?;
        let mut credential = None;
        if flags & CREDENTIAL != 0 {
            let (read, behind) = AttestedCredential::read(rest)?;
            (credential, rest) = (Some(read), behind);
        }
        if flags & EXTENSIONS != 0 {
            rest = skip_extensions(rest)?;
        }
        if !rest.is_empty() {
            return Err(CUT);
        }
        Ok(Self { rp_id_hash, flags: *flags, counter: u32::from_be_bytes(*counter), credential })
    }

    pub fn user_present(&self) -> bool {
        self.flags & USER_PRESENT != 0
    }
    pub fn user_verified(&self) -> bool {
        self.flags & USER_VERIFIED != 0
    }
    pub fn backup_eligible(&self) -> bool {
        self.flags & BACKUP_ELIGIBLE != 0
    }
    pub fn backed_up(&self) -> bool {
        self.flags & BACKED_UP != 0
    }
}

impl<'a> AttestedCredential<'a> {
    fn read(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Unreadable> {
        let (aaguid, rest) = bytes.split_first_chunk::<16>().ok_or(CUT)?;
        let (length, rest) = rest.split_first_chunk::<2>().ok_or(CUT)?;
        let length = usize::from(u16::from_be_bytes(*length));
        if length == 0 || length > MAX_CREDENTIAL_ID_BYTES {
            return Err(Unreadable("a credential id has 1 to 1023 bytes"));
        }
        let (id, rest) = rest.split_at_checked(length).ok_or(CUT)?;
        let mut reader = Decoder::new(rest);
        cbor::skip(&mut reader)?;
        let (key, behind) = rest.split_at_checked(reader.position()).ok_or(CUT)?;
        Ok((Self { aaguid: *aaguid, id, key }, behind))
    }
}

/// Extensions are a map with text keys (WebAuthn Level 3, 9.5). None is asked for, so none decides anything.
fn skip_extensions(bytes: &[u8]) -> Result<&[u8], Unreadable> {
    const SHAPE: Unreadable = Unreadable("the extensions of the authenticator are no map of at most 16 members with texts as names");
    let mut reader = Decoder::new(bytes);
    let count = reader.map().ok().flatten().filter(|count| *count <= cbor::MAX_MEMBERS).ok_or(SHAPE)?;
    for _ in 0..count {
        reader.str().map_err(|_| SHAPE)?;
        cbor::skip(&mut reader)?;
    }
    bytes.get(reader.position()..).ok_or(CUT)
}
