//! What evidence may cost: chains and objects as large as they may be, and extensions that are nothing of the kind. Nothing panics,
//! and nothing costs more than its size against a genuine one, which is judged beside it. Area N: 285-N.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod made;

use made::android::{GOOD, expected, forge, named, params, tlv};
use made::apple::{Device, Lie, NOW, object, object_with};
use minicbor::Encoder;
use rcgen::{CertificateParams, CustomExtension, KeyUsagePurpose};
use std::time::{Duration, Instant};
use symbolon_attest::key_attestation::judge;
use symbolon_attest::{MAX_BYTES, Unreadable};
use symbolon_oauth::digest::sha256;

type Rules = Result<Vec<&'static str>, Unreadable>;

/// A chain of so many certificates under its root, named as those of remote provisioning, each with what is stuffed into it. Four have the
/// shape of one.
fn chain(count: usize, stuff: &dyn Fn(usize, &mut CertificateParams)) -> (Vec<Vec<u8>>, Vec<u8>) {
    let made = |at: usize| {
        let mut certificate = match at {
            0 => params("leaf", false, (&GOOD, 1)),
            1 => named("attestation", Some("TEE")),
            _ if at == count => named("root", None),
            _ => named(&format!("Droid CA{at}"), Some("Google LLC")),
        };
        if at < count {
            stuff(at, &mut certificate);
        }
        certificate
    };
    let (mut chain, root) = forge(&(0..=count).map(made).collect::<Vec<_>>());
    chain.pop();
    (chain, root)
}

fn android((chain, root): &(Vec<Vec<u8>>, Vec<u8>)) -> Rules {
    let slices: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let verdict = judge(&slices, &expected(b"challenge", &[root], NOW))?;
    Ok(verdict.failed.into_iter().map(|it| it.name).collect())
}

/// How much dearer the one is than the other, which is judged in turn with it, so many times. The fastest of each counts: other work on
/// the machine makes a judgement slower, and never faster.
fn dearer(times: usize, hostile: &dyn Fn() -> Rules, genuine: &dyn Fn() -> Rules) -> f64 {
    let [mut first, mut second] = [Duration::MAX; 2];
    for _ in 0..times {
        for (fastest, work) in [(&mut first, hostile), (&mut second, genuine)] {
            let began = Instant::now();
            std::hint::black_box(work().is_ok());
            *fastest = began.elapsed().min(*fastest);
        }
    }
    first.as_secs_f64() / second.as_secs_f64()
}

fn extension(oid: &[u64], content: Vec<u8>) -> CustomExtension {
    CustomExtension::from_oid_content(oid, content)
}

type Stuff<'a> = &'a dyn Fn(&mut CertificateParams);

/// Each of the largest, hundreds of times in all, beside a genuine one. Other work on the machine interrupts long judgements more often, so
/// four times the weight is taken. Whatever grows with the square would cost thirty times it.
#[test]
fn the_largest_chains_cost_what_they_weigh() {
    let (genuine, weight) = (chain(4, &|_, _| ()), |it: &[Vec<u8>]| it.iter().map(Vec::len).sum::<usize>());
    assert_eq!(android(&genuine), Ok(vec![]));
    let names = || tlv(&[0x30], &tlv(&[0x82], b"a").repeat(2000));
    let uses = || tlv(&[0x30], &tlv(&[6], &[0x2a, 3]).repeat(1500));
    let deep = || (0..1550).fold(vec![5, 0], |it, _| tlv(&[0x30], &it));
    for (what, stuff) in [
        ("one extension", &(|it: &mut CertificateParams| it.custom_extensions.push(extension(&[1, 2, 3], vec![0x30; 6000]))) as Stuff<'_>),
        ("extensions", &|it| it.custom_extensions.extend((0..580).map(|at| extension(&[1, 2, 3, at], vec![])))),
        ("one extension many times", &|it| it.custom_extensions.extend((0..650).map(|_| extension(&[1, 2, 3], vec![])))),
        ("names", &|it| it.custom_extensions.push(extension(&[2, 5, 29, 17], names()))),
        ("uses", &|it| it.custom_extensions.push(extension(&[2, 5, 29, 37], uses()))),
        ("depth", &|it| it.custom_extensions.push(extension(&[2, 5, 29, 32], deep()))),
    ] {
        let mut large = chain(10, &|_, it| stuff(it));
        let bytes = weight(&large.0);
        assert!((MAX_BYTES * 8 / 10..=MAX_BYTES).contains(&bytes), "{what}: {bytes}");
        assert_eq!(android(&large), Ok(vec!["chain_shape"]), "{what}: large, and in order but for its length");
        assert_eq!(android(&chain(4, &|_, it| stuff(it))), Ok(vec![]), "{what}: in order");
        let dearer = dearer(30, &|| android(&large), &|| android(&genuine));
        let heavier = bytes as f64 / weight(&genuine.0) as f64;
        println!("{what}: {heavier:.0} times as heavy, {dearer:.1} times as dear");
        assert!(dearer < 4.0 * heavier, "{what}: {dearer} for {heavier}");
        // What is too large is not looked into.
        large.0[9].extend(vec![0; MAX_BYTES - bytes + 1]);
        assert_eq!(android(&large), Err(Unreadable("the chain is larger than 64 KiB")), "{what}");
        assert!(self::dearer(30, &|| android(&large), &|| android(&genuine)) < 1.0, "{what}");
    }
}

/// The same of App Attest: long chains, long receipts, long names of credentials, maps and arrays without end.
#[test]
fn the_largest_objects_cost_what_they_weigh() {
    let hash = sha256(b"challenge");
    let (device, genuine) = Device::attest(&hash, Lie::default());
    let read = |object: &[u8]| device.read(object, &hash);
    assert_eq!(read(&genuine), Ok(vec![]));
    let [leaf, middle] = [0, 1].map(|at| device.chain[at].as_slice());
    let stuffed = chain(5, &|_, it| it.custom_extensions.push(extension(&[1, 2, 3], vec![0x30; 12_000]))).0;
    let stuffed: Vec<&[u8]> = stuffed.iter().map(Vec::as_slice).collect();
    let (head, rest) = device.data.split_at(53);
    let long = [head, &[0xea, 0x60], &[7; 60_000], &rest[34..]].concat();
    let mut map = Encoder::new(device.data.clone());
    map.map(16).unwrap();
    for at in 0..16 {
        map.str(&format!("{at}{}", "x".repeat(1800))).unwrap().bytes(&[7; 2000]).unwrap();
    }
    let (map, chain) = (map.into_writer(), [leaf, middle]);
    let shapeless = || Err(Unreadable("the CBOR is not of the shape Apple documents"));
    let deep = Err(Unreadable("a value in the CBOR is not well-formed or nested too deeply"));
    let another = ["chain_root", "chain_length", "nonce", "key_id", "credential_id", "credential_key"];
    for (what, object, rules) in [
        ("certificates", object(&stuffed, &device.data), Ok(another.to_vec())),
        ("receipt", object_with(&chain, &[7; 60_000], &device.data), Ok(vec![])),
        ("credential id", object(&chain, &long), Ok(vec!["nonce", "credential_id"])),
        ("map", object(&chain, &map), Ok(vec!["nonce"])),
        ("arrays", [&genuine[..1], &[0x81; 64_000]].concat(), shapeless()),
        ("maps", [[0xa1, 0x61, b'a'].repeat(20_000), vec![0xf6]].concat(), deep),
        ("a count without members", [&[0xbb][..], &[0xff; 8]].concat(), shapeless()),
        ("a length without bytes", [&genuine[..1], b"\x63fmt\x7b", &[0x7f; 8], &[0; 60_000]].concat(), shapeless()),
        ("too large", vec![0xa3; MAX_BYTES + 1], Err(Unreadable("the attestation is larger than 64 KiB"))),
    ] {
        assert_eq!(read(&object), rules, "{what}");
        let heavier = (object.len() as f64 / genuine.len() as f64).max(1.0);
        let dearer = dearer(30, &|| read(&object), &|| read(&genuine));
        println!("{what}: {heavier:.0} times as heavy, {dearer:.2} times as dear");
        assert!(dearer < if rules.is_ok() { 2.0 * heavier } else { 1.0 }, "{what}: {dearer} for {heavier}");
    }
}

/// Contents of extensions that are cut off, empty, too long, or of other types.
fn strange_contents() -> Vec<Vec<u8>> {
    let oid = |it: &[u8]| tlv(&[0x30], &tlv(&[6], it));
    vec![
        vec![],
        vec![0],
        vec![0x30, 0],
        vec![0x30, 0x80],
        vec![0x30, 0x80, 0, 0],
        vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
        vec![0x30, 0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0x30, 0xff],
        vec![0x1f, 0x81, 0x81, 0x81, 0x81, 0x81, 0x01, 0],
        vec![3, 0],
        vec![3, 1, 0],
        vec![3, 1, 9],
        vec![3, 2, 8, 0xff],
        vec![3, 4, 0, 0xff, 0xff, 0xff],
        tlv(&[0x30], &tlv(&[2], &[0x7f; 40])),
        tlv(&[0x30], &[tlv(&[1], &[0xff]), tlv(&[2], &[0xff; 9])].concat()),
        tlv(&[0x30], &[tlv(&[1], &[0xff]), tlv(&[2], &[])].concat()),
        oid(&[]),
        oid(&[0x80]),
        oid(&[0xff; 100]),
        oid(&[[0xff; 20].as_slice(), &[0x7f]].concat()),
        tlv(&[0x30], &[0x06, 0x84, 0xff, 0xff, 0xff, 0xff]),
        tlv(&[0x30], &tlv(&[0x87], &[1, 2, 3])),
        tlv(&[0x30], &tlv(&[0xa4], &[0x30, 0x80])),
        tlv(&[4], &[0xff; 300]),
        vec![0xff; 5000],
    ]
}

/// Contents that are not what their name says, in a chain that is in order otherwise: nothing panics, no limit of a CA is lost,
/// and all of them together cost what as many genuine ones do.
#[test]
fn no_extension_is_too_strange() {
    let contents = strange_contents();
    let (uses, constraints, usage) = (&[2, 5, 29, 37][..], &[2, 5, 29, 19][..], &[2, 5, 29, 15][..]);
    let provisioning = &[1, 3, 6, 1, 4, 1, 11129, 2, 1, 30][..];
    let description = &[1, 3, 6, 1, 4, 1, 11129, 2, 1, 17][..];
    let others = [
        &[2, 5, 29, 17][..],
        &[2, 5, 29, 30],
        &[2, 5, 29, 32],
        &[2, 5, 29, 35],
        &[2, 5, 29, 14],
        &[2, 5, 29, 31],
        &[1, 3, 6, 1, 5, 5, 7, 1, 1],
    ];
    let named: Vec<&[u64]> = [uses, constraints, usage, provisioning, description].into_iter().chain(others).collect();
    let (genuine, mut all) = (chain(4, &|_, _| ()), Vec::new());
    assert_eq!(android(&genuine), Ok(vec![]));
    for name in named {
        for (at, content) in [0, 1].into_iter().flat_map(|at| contents.iter().map(move |it| (at, it))) {
            let strange = |it: &mut CertificateParams| it.custom_extensions.push(extension(name, content.clone()));
            let made = chain(4, &|place, it| {
                if place == at {
                    strange(it)
                }
            });
            let rules = match at {
                1 if name == constraints => vec!["chain_ca"],
                // 03 04: the bits are there, and say that it may.
                1 if name == usage && content.first_chunk() != Some(&[3, 4]) => vec!["chain_ca"],
                // The shape alone says how a key was provisioned: what its extension says is no matter.
                1 if name == provisioning => vec![],
                1 if name == description => vec!["extension_place"],
                0 if name == description => vec!["extension"],
                _ => vec![],
            };
            assert_eq!(android(&made), Ok(rules), "{name:?} of {at}: {content:02x?}");
            all.push(made);
        }
    }
    let together = || all.iter().try_for_each(|it| android(it).map(|_| ())).map(|()| vec![]);
    let beside = || all.iter().try_for_each(|_| android(&genuine).map(|_| ())).map(|()| vec![]);
    let dearer = dearer(2, &together, &beside);
    println!("{} strange chains: {dearer:.2} times as dear as genuine ones", all.len());
    assert!(all.len() > 500 && dearer < 3.0, "{dearer}");
    for usages in [vec![KeyUsagePurpose::KeyCertSign], vec![KeyUsagePurpose::DigitalSignature]] {
        let may = usages[0] == KeyUsagePurpose::KeyCertSign;
        let made = chain(4, &|at, it| it.key_usages = if at == 1 { usages.clone() } else { vec![] });
        assert_eq!(android(&made), Ok(if may { vec![] } else { vec!["chain_ca"] }), "what a CA may not do, told as it should be");
    }
    let twice = chain(4, &|at, parameters| {
        parameters.custom_extensions.extend((0..2 * usize::from(at == 1)).map(|_| extension(usage, vec![3, 2, 2, 4])));
    });
    assert_eq!(android(&twice), Ok(vec!["chain_ca"]), "and twice");
}
