//! The writer commits in groups, and undoes alone what is refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
use super::super::tables;
use super::connection::{create_private, migrate_schema};
use super::*;

/// A database of its own, which goes with its folder.
fn database(name: &str) -> (PathBuf, Writer) {
    let directory = std::env::temp_dir().join(format!("symbolon-writer-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("test.db");
    create_private(&path).unwrap();
    let mut connection = open_to_write(&path).unwrap();
    migrate_schema(&mut connection).unwrap();
    let file = FileIdentity::of(&path).unwrap();
    (directory, Writer { connection, path, file, texts: HashMap::new(), careful: 0 })
}

fn spend(key: &str) -> Statement {
    let values = vec![1.into(), "test".into(), key.as_bytes().into()];
    Statement { sql: tables::once::SPEND, values, expect: Expect::Exactly(1) }
}

/// Each member spends these keys, one statement for each.
fn put(writer: &mut Writer, members: &[&[&str]]) -> Vec<ApplyResult> {
    let batch: Vec<Vec<Statement>> = members.iter().map(|keys| keys.iter().map(|key| spend(key)).collect()).collect();
    writer.write_batch(&batch.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap()
}

fn are_applied(outcomes: &[ApplyResult]) -> Vec<bool> {
    outcomes.iter().map(Result::is_ok).collect()
}

fn count(writer: &Writer) -> u32 {
    writer.connection.query_row("SELECT count(*) FROM once", [], |row| row.get(0)).unwrap()
}

fn has(writer: &Writer, key: &str) -> bool {
    let found: u32 = writer.connection.query_row("SELECT count(*) FROM once WHERE key = ?1", [key.as_bytes()], |row| row.get(0)).unwrap();
    found == 1
}

/// A refused change costs nobody else theirs. Without a refusal for a while, nothing is paid for the next one.
#[test]
fn a_refused_change_is_undone_alone() {
    let (directory, mut writer) = database("alone");
    let put = |writer: &mut Writer, members: &[&[&str]]| are_applied(&put(writer, members));
    assert_eq!(put(&mut writer, &[&["a"], &["b"]]), [true, true]);
    assert_eq!(writer.careful, 0);
    // Twice: when the refusal comes as a surprise, and when it does not.
    for (one, other) in [("c", "d"), ("e", "f")] {
        assert_eq!(put(&mut writer, &[&[one], &["a"], &[other]]), [true, false, true]);
        assert_eq!(writer.careful, CAREFUL);
    }
    assert_eq!(put(&mut writer, &[&["a"]]), [false], "alone");
    for at in 0..CAREFUL {
        let (one, other) = (format!("{at}"), format!("{at} again"));
        assert_eq!(put(&mut writer, &[&[one.as_str()], &[other.as_str()]]), [true, true]);
    }
    assert_eq!(writer.careful, 0);
    assert_eq!(count(&writer), 6 + 2 * CAREFUL);
    std::fs::remove_dir_all(&directory).unwrap();
}

/// What a change wrote before its refused statement goes with it: by the end of the transaction, and by the savepoint.
#[test]
fn a_change_that_is_refused_halfway_leaves_nothing() {
    let (directory, mut writer) = database("halfway");
    assert_eq!(are_applied(&put(&mut writer, &[&["spent"]])), [true]);
    for (surprise, [first, half, last]) in [(true, ["a", "b", "c"]), (false, ["d", "e", "f"])] {
        assert_eq!(writer.careful == 0, surprise);
        let outcomes = put(&mut writer, &[&[first], &[half, "spent"], &[last]]);
        assert!(matches!(outcomes[..], [Ok(Applied), Err(NotApplied::Conflict(1)), Ok(Applied)]), "{surprise}");
        assert!(!has(&writer, half), "{surprise}");
        assert!(has(&writer, first) && has(&writer, last), "{surprise}");
    }
    // Alone, without a savepoint. The twin: the same key with one that is not spent.
    let alone = put(&mut writer, &[&["b", "spent"]]);
    assert!(matches!(alone[..], [Err(NotApplied::Conflict(1))]) && !has(&writer, "b"));
    assert_eq!(are_applied(&put(&mut writer, &[&["b", "g"]])), [true]);
    assert_eq!(count(&writer), 7);
    std::fs::remove_dir_all(&directory).unwrap();
}

/// Whoever operates the server learns which file cannot be written. The connection is a new one then, and writes.
#[test]
fn an_error_of_the_writer_names_the_file() {
    let (directory, mut writer) = database("named");
    writer.connection.pragma_update(None, "query_only", true).unwrap();
    let mut commit = |key: &str| writer.commit(&[&[spend(key)]]).remove(0);
    let Err(NotApplied::Fault(fault)) = commit("a") else { panic!("it was written, or refused") };
    let named = format!("database {}: SQLite: ", directory.join("test.db").display());
    assert!(fault.0.starts_with(&named) && fault.is_store_away(), "{fault}");
    assert!(commit("a").is_ok(), "the twin");
    std::fs::remove_dir_all(&directory).unwrap();
}

/// A file that was moved away is still written, and nothing else is opened at its path. The twin: it is back.
#[test]
fn a_file_that_is_gone_is_noticed() {
    let (directory, writer) = database("gone");
    drop(writer);
    let (path, aside) = (directory.join("test.db"), directory.join("aside.db"));
    let store = Sqlite::open(&path.display().to_string(), &StoreOptions::default()).unwrap();
    assert!(store.must_be_at_its_path().is_ok());
    std::fs::rename(&path, &aside).unwrap();
    assert!(
        store.must_be_at_its_path().unwrap_err().to_string().contains("test.db: the file that the server has open is not at this path")
    );
    // A further reader makes no new file, and reads no other one.
    let first = store.readers.take(0).unwrap();
    assert!(store.readers.take(0).is_err() && !path.exists());
    std::fs::copy(&aside, &path).unwrap();
    assert!(store.must_be_at_its_path().is_err() && store.readers.take(0).is_err(), "another file at the same path");
    std::fs::rename(&aside, &path).unwrap();
    assert!(store.must_be_at_its_path().is_ok() && store.readers.take(0).is_ok());
    drop(first);
    std::fs::remove_dir_all(directory).unwrap();
}
