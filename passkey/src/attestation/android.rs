//! The format `android-key`. WebAuthn Level 3, 8.4. Whether the hardware itself is to be believed is not asked: that is what
//! `symbolon_attest::key_attestation` judges, of an app's key.

use super::{Rules, Statement, is_key_of, signed_by_leaf};
use crate::Unreadable;
use symbolon_attest::der::{CONSTRUCTED, CONTEXT, Reader};
use symbolon_attest::x509::extension;
use x509_parser::prelude::*;

const DESCRIPTION: &str = "1.3.6.1.4.1.11129.2.1.17";
const MAX_MEMBERS: usize = 100;
const SHAPE: Unreadable = Unreadable("the description of the key is not of the documented shape");
const SIGN: i64 = 2;
const GENERATED: i64 = 0;

/// What both lists say, together.
#[derive(Default)]
struct Description<'a> {
    challenge: &'a [u8],
    all_applications: bool,
    purposes: Vec<i64>,
    origins: Vec<i64>,
}

pub(super) fn judge(statement: &Statement<'_>, leaf: &X509Certificate<'_>, rules: &mut Rules) -> Result<(), Unreadable> {
    let is_signed = signed_by_leaf(statement.algorithm()?, leaf, &statement.signed(), statement.signature()?);
    rules.rule(is_signed, "the statement is not signed by its certificate's key");
    rules.rule(is_key_of(leaf, statement.key), "the certificate's key is not the credential's");
    let Some(value) = extension(leaf, DESCRIPTION) else {
        rules.rule(false, "the certificate does not describe its key");
        return Ok(());
    };
    let found = Description::read(value)?;
    rules.rule(found.challenge == statement.client_data_hash, "the key was made for another ceremony");
    rules.rule(!found.all_applications, "the key is every application's");
    rules.rule(
        !found.origins.is_empty() && found.origins.iter().all(|origin| *origin == GENERATED),
        "the key was not made in this hardware",
    );
    rules.rule(!found.purposes.is_empty() && found.purposes.iter().all(|purpose| *purpose == SIGN), "the key is not for signing alone");
    Ok(())
}

impl<'a> Description<'a> {
    fn read(value: &'a [u8]) -> Result<Self, Unreadable> {
        let mut description = Reader::new(value).sequence()?;
        description.integer()?;
        description.enumerated()?;
        description.integer()?;
        description.enumerated()?;
        let mut found = Self { challenge: description.octets()?, ..Self::default() };
        description.octets()?;
        for _ in 0..2 {
            found.read_list(description.sequence()?)?;
        }
        Ok(found)
    }

    fn read_list(&mut self, mut list: Reader<'a>) -> Result<(), Unreadable> {
        for _ in 0..MAX_MEMBERS {
            if list.is_empty() {
                return Ok(());
            }
            let member = list.value()?;
            if member.kind != CONTEXT | CONSTRUCTED {
                return Err(SHAPE);
            }
            let mut content = Reader::new(member.content);
            match member.number {
                1 => {
                    let mut purposes = content.set()?;
                    while !purposes.is_empty() && self.purposes.len() < MAX_MEMBERS {
                        self.purposes.push(purposes.integer()?);
                    }
                }
                600 => self.all_applications = true,
                702 => self.origins.push(content.integer()?),
                _ => {}
            }
        }
        Err(SHAPE)
    }
}
