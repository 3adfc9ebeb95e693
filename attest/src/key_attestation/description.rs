//! KeyDescription, the extension in which the hardware describes a key ("Key and ID attestation", source.android.com). Makers order its lists
//! differently and later versions add tags: unknown tags are skipped, and what decides something is read strictly.

use super::{BootState, Facts, Level};
use crate::Unreadable;
use crate::der::{CONSTRUCTED, CONTEXT, Reader};

/// The newest version of the description, and of the interface that makes keys, whose shape is known here.
pub const NEWEST_VERSION: i64 = 500;
/// The most members of a list or a set.
const MAX_MEMBERS: usize = 100;
const SHAPE: Unreadable = Unreadable("an authorization list is not of the documented shape");

/// Reads the description into `facts`. A version that is newer than all known ones is read as the newest known.
pub(super) fn read(value: &[u8], facts: &mut Facts) -> Result<(), Unreadable> {
    let mut outer = Reader::new(value);
    let mut description = outer.sequence()?;
    outer.end()?;
    facts.version = description.integer()?;
    facts.attestation_level = level(description.enumerated()?);
    facts.keymint_version = description.integer()?;
    facts.key_level = level(description.enumerated()?);
    facts.newer_version = facts.version.max(facts.keymint_version) > NEWEST_VERSION;
    facts.challenge = description.octets()?.to_vec();
    // The unique id, which nobody here asks for.
    description.octets()?;
    let (software, hardware) = (description.sequence()?, description.sequence()?);
    if !facts.newer_version {
        description.end()?;
    }
    facts.canonical = true;
    let software_ascends = read_list(software, &mut |number, content| read_software(number, content, facts))?;
    let hardware_ascends = read_list(hardware, &mut |number, content| read_hardware(number, content, facts))?;
    facts.canonical &= software_ascends && hardware_ascends;
    Ok(())
}

fn level(number: i64) -> Option<Level> {
    match number {
        0 => Some(Level::Software),
        1 => Some(Level::TrustedEnvironment),
        2 => Some(Level::StrongBox),
        _ => None,
    }
}

/// AuthorizationList: explicit context tags, unknown ones skipped, none twice. They should ascend, and makers differ: does this one?
fn read_list<'a>(mut list: Reader<'a>, read_member: &mut dyn FnMut(u32, Reader<'a>) -> Result<(), Unreadable>) -> Result<bool, Unreadable> {
    let mut seen = Vec::new();
    while !list.is_empty() {
        let member = list.value()?;
        if member.kind != CONTEXT | CONSTRUCTED || seen.contains(&member.number) || seen.len() == MAX_MEMBERS {
            return Err(SHAPE);
        }
        seen.push(member.number);
        read_member(member.number, Reader::new(member.content))?;
    }
    Ok(seen.is_sorted())
}

/// Every member of a set, by the function that reads one.
fn read_set<'a, T>(mut set: Reader<'a>, read_member: impl Fn(&mut Reader<'a>) -> Result<T, Unreadable>) -> Result<Vec<T>, Unreadable> {
    let mut found = Vec::new();
    while !set.is_empty() {
        if found.len() == MAX_MEMBERS {
            return Err(SHAPE);
        }
        found.push(read_member(&mut set)?);
    }
    Ok(found)
}

/// Of what the system says, only which app it was: there is nobody below it who could know.
fn read_software(number: u32, mut content: Reader<'_>, facts: &mut Facts) -> Result<(), Unreadable> {
    if number != 709 {
        return Ok(());
    }
    let mut outer = Reader::new(content.octets()?);
    let mut id = outer.sequence()?;
    let packages = read_set(id.set()?, |set| {
        let mut package = set.sequence()?;
        Ok((String::from_utf8_lossy(package.octets()?).into_owned(), package.integer()?))
    })?;
    facts.signing_digests = read_set(id.set()?, |set| Ok(set.octets()?.to_vec()))?;
    facts.app_version = match packages.as_slice() {
        [(_, version)] => Some(*version),
        _ => None,
    };
    facts.packages = packages.into_iter().map(|(name, _)| name).collect();
    Ok(())
}

fn read_hardware(number: u32, mut content: Reader<'_>, facts: &mut Facts) -> Result<(), Unreadable> {
    match number {
        1 => facts.purposes = read_set(content.set()?, Reader::integer)?,
        2 => facts.algorithm = Some(content.integer()?),
        3 => facts.key_size = Some(content.integer()?),
        5 => facts.digests = read_set(content.set()?, Reader::integer)?,
        10 => facts.curve = Some(content.integer()?),
        503 => facts.no_auth_required = true,
        504 => facts.user_auth_type = Some(content.integer()?),
        505 => facts.auth_timeout_s = Some(content.integer()?),
        509 => facts.unlocked_device_required = true,
        702 => facts.generated = Some(content.integer()? == 0),
        704 => read_root_of_trust(content.sequence()?, facts)?,
        705 => facts.os_version = Some(content.integer()?),
        706 => facts.os_patch = Some(content.integer()?),
        716 => facts.manufacturer = read_text(content),
        717 => facts.model = read_text(content),
        718 => facts.vendor_patch = Some(content.integer()?),
        719 => facts.boot_patch = Some(content.integer()?),
        _ => {}
    }
    Ok(())
}

/// For people: nothing depends on it, so that an odd encoding refuses nobody.
fn read_text(mut content: Reader<'_>) -> Option<String> {
    Some(String::from_utf8_lossy(content.octets().ok()?).into_owned())
}

fn read_root_of_trust(mut root: Reader<'_>, facts: &mut Facts) -> Result<(), Unreadable> {
    facts.boot_key = root.octets()?.to_vec();
    let (locked, canonical) = root.boolean()?;
    facts.locked = Some(locked);
    facts.canonical &= canonical;
    facts.boot_state = match root.enumerated()? {
        0 => Some(BootState::Verified),
        1 => Some(BootState::SelfSigned),
        2 => Some(BootState::Unverified),
        3 => Some(BootState::Failed),
        _ => None,
    };
    Ok(())
}
