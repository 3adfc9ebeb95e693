//! What an operator gets wrong is said before the server starts: `check` does what `serve` does up to binding; files are private;
//! a command that could do nothing says so.

use crate::commands::symbolon;
use crate::world::*;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn directory() -> PathBuf {
    let name = symbolon_oauth::base64url::encode(&symbolon::seal::random::<9>().unwrap());
    std::env::temp_dir().join(format!("symbolon-check-{name}"))
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// What would not start is named, and ends with 1; each has its twin in which only the defect is gone.
#[tokio::test(flavor = "multi_thread")]
async fn check_names_what_would_not_start() {
    let directory = directory();
    let (code, said, _) = symbolon(Path::new("unused"), &["init", directory.to_str().unwrap()], "").await;
    assert_eq!(code, Some(0), "{said}");
    let file = directory.join("symbolon.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    let check = async |text: &str| {
        std::fs::write(&file, text).unwrap();
        symbolon(&file, &["check"], "").await
    };
    std::fs::write(directory.join("logo.svg"), "<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>").unwrap();
    std::fs::create_dir(directory.join("pages")).unwrap();
    std::fs::write(directory.join("other.key"), "1:short\n").unwrap();
    std::fs::set_permissions(directory.join("other.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(directory.join("text.db"), "this is no database, and long enough to be read as one by somebody who does not look")
        .unwrap();
    let top = |line: &str| good.replacen("development = true", &format!("development = true\n{line}"), 1);
    let set = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
    };
    let brand = |line: &str| set("[brand]", &format!("[brand]\n{line}"));
    let odd_language = "\n[api.odd]\naudience = \"https://odd.example\"\n[api.odd.scope.x]\ntext = \"x\"\ntext_in = { de = \"y\" }\n";
    for fine in [
        good.clone(),
        good.clone() + odd_language,
        top("templates = \"pages\""),
        top("metrics = \"127.0.0.1:0\""),
        brand("logo = \"logo.svg\"\naccent = \"#1f4fd8\""),
    ] {
        let (code, said, error) = check(&fine).await;
        assert_eq!((code, error.as_str()), (Some(0), ""), "{fine}");
        assert!(said.contains("Issuer http://127.0.0.1:8080"), "{said}");
    }
    assert!(!directory.join("symbolon.db").exists(), "nothing was made");
    let tls = "\n[tls]\ncertificate = \"none.pem\"\nkey = \"none.pem\"\n";
    for (bad, says) in [
        (set("sqlite:symbolon.db", "mysql://db"), "starts with sqlite: or postgres://"),
        (set("sqlite:symbolon.db", "sqlite:nowhere/symbolon.db"), "nowhere"),
        (set("sqlite:symbolon.db", "sqlite:text.db"), "text.db"),
        (set("sqlite:symbolon.db", "postgres://u@127.0.0.1:1/x"), "cannot connect to PostgreSQL"),
        (set("sqlite:symbolon.db", "postgres://u@db.example/x"), "add sslmode=verify-full"),
        (set("symbolon.key", "gone.key"), "gone.key"),
        (set("symbolon.key", "other.key"), "other.key: expected one line per key"),
        (set("listen = \"127.0.0.1:8080\"", "listen = \"127.0.0.1\""), "listen = "),
        (set("listen = \"127.0.0.1:8080\"", "listen = \"127.0.0.1:99999\""), "listen = "),
        (top("metrics = \"9464\""), "metrics = "),
        (top("templates = \"gone\""), "templates"),
        (top("admin_socket = \"gone/symbolon.sock\""), "admin_socket"),
        (brand("logo = \"gone.svg\""), "gone.svg"),
        (brand("accent = \"blue\""), "is no colour"),
        (good.clone() + "\n[passkeys]\nattestation = \"direct\"\nattestation_roots = [\"gone.pem\"]\n", "gone.pem"),
        (good.clone() + "\n[passwords]\nbreached = \"gone.txt\"\n", "gone.txt"),
        (good.clone() + tls, "none.pem"),
        (good.clone() + &odd_language.replace("de", "DE"), "\"DE\" is no language"),
    ] {
        let (code, said, error) = check(&bad).await;
        assert_eq!((code, said.as_str()), (Some(1), ""), "{says}");
        assert!(error.contains(says), "{says}: {error}");
    }
    // Everything at once, not one thing for each try.
    let (_, _, error) = check(&(set("symbolon.key", "gone.key") + tls)).await;
    assert!(error.contains("gone.key") && error.contains("none.pem"), "{error}");
    std::fs::remove_dir_all(&directory).unwrap();
}

/// `check` as somebody to whom the database's directory does not belong. Its mode bits have a right to write all the same.
#[tokio::test(flavor = "multi_thread")]
async fn check_sees_a_directory_that_it_may_not_write() {
    use std::os::unix::fs::{MetadataExt, chown};
    use std::process::Command;
    const NOBODY: u32 = 65_534;
    let directory = directory();
    let (code, said, _) = symbolon(Path::new("unused"), &["init", directory.to_str().unwrap()], "").await;
    assert_eq!(code, Some(0), "{said}");
    let is_root = std::fs::metadata(&directory).unwrap().uid() == 0;
    if !is_root || Command::new("setpriv").arg("--version").output().is_err() {
        println!("skipped: only root with `setpriv` can be somebody else");
        return;
    }
    let (file, data) = (directory.join("symbolon.toml"), directory.join("data"));
    std::fs::create_dir(&data).unwrap();
    let text = std::fs::read_to_string(&file).unwrap().replace("sqlite:symbolon.db", "sqlite:data/symbolon.db");
    std::fs::write(&file, text).unwrap();
    for name in ["", "symbolon.toml", "symbolon.key"] {
        chown(directory.join(name), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let check = || {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", env!("CARGO_BIN_EXE_symbolon"), "-c"])
            .arg(&file)
            .arg("check");
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, error) = check();
    assert!(code == Some(1) && error.contains("cannot write to the directory") && error.contains("data"), "{error}");
    chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
    assert_eq!(check(), (Some(0), String::new()), "the twin");
    std::fs::remove_dir_all(&directory).unwrap();
}

/// Ends of lines that a file or a shell leaves behind do no harm; what is left empty is an error and not the weaker rule.
#[tokio::test(flavor = "multi_thread")]
async fn a_variable_is_read_without_its_end_of_line() {
    let directory = directory();
    let (code, said, _) = symbolon(Path::new("unused"), &["init", directory.to_str().unwrap()], "").await;
    assert_eq!(code, Some(0), "{said}");
    let key = std::fs::read_to_string(directory.join("symbolon.key")).unwrap().trim().to_owned();
    let check = |name: &str, value: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_symbolon"))
            .arg("-c")
            .arg(directory.join("symbolon.toml"))
            .arg("check")
            .env(name, value)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (database, listen) = (format!("sqlite:{}", directory.join("other.db").display()), "127.0.0.1:0");
    for (name, value) in [("SYMBOLON_MASTER_KEY", key.as_str()), ("SYMBOLON_DATABASE", &database), ("SYMBOLON_LISTEN", listen)] {
        for end in ["", "\n", "\r\n", "\r"] {
            assert_eq!(check(name, &format!("{value}{end}")), (Some(0), String::new()), "{name} {end:?}");
        }
        for bad in ["", "\r\n", "a\u{1b}b"] {
            let (code, error) = check(name, bad);
            assert!(code == Some(1) && error.contains(name), "{name} {bad:?}: {error}");
        }
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

/// What `init` writes and the store that the first start makes are their owner's alone.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_is_private() {
    let directory = directory();
    let (code, said, _) = symbolon(Path::new("unused"), &["init", directory.to_str().unwrap()], "").await;
    assert_eq!(code, Some(0), "{said}");
    let file = directory.join("symbolon.toml");
    let (code, _, error) = symbolon(&file, &["user", "list"], "").await;
    assert_eq!(code, Some(0), "{error}");
    assert_eq!(mode(&directory), 0o700);
    for name in ["symbolon.toml", "symbolon.key", "symbolon.db"] {
        assert_eq!(mode(&directory.join(name)), 0o600, "{name}");
    }
    for name in ["symbolon.db-wal", "symbolon.db-shm"].iter().map(|it| directory.join(it)).filter(|it| it.exists()) {
        assert_eq!(mode(&name), 0o600, "{}", name.display());
    }
    let checked = async || symbolon(&file, &["check"], "").await.1;
    assert!(!checked().await.contains("other users of this machine"));
    std::fs::set_permissions(directory.join("symbolon.db"), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(checked().await.contains("other users of this machine"), "a store that an earlier version made");
    // The store was made with another master key.
    let (code, _, error) = symbolon(&file, &["key", "rotate"], "").await;
    assert_eq!(code, Some(0), "{error}");
    let key = directory.join("symbolon.key");
    let kept = std::fs::read_to_string(&key).unwrap();
    std::fs::write(&key, format!("1:{}\n", symbolon_oauth::base64url::encode(&[7; 32]))).unwrap();
    let (code, printed, error) = symbolon(&file, &["check"], "").await;
    assert!(code == Some(1) && printed.is_empty() && error.contains("the master key is not the one"), "{error}");
    std::fs::write(&key, kept).unwrap();
    assert_eq!(symbolon(&file, &["check"], "").await.0, Some(0), "the twin");
    // The three commands of `init` name a client whose secret works.
    let text = std::fs::read_to_string(&file).unwrap();
    let secret = said.split("SECRET=").nth(1).unwrap().lines().next().unwrap();
    assert!(secret.len() >= 32 && !text.contains(secret), "{said}");
    assert!(said.contains("curl") && text.contains("[client.orders-batch]"), "{said}");
    assert_eq!(text.matches("\ndpop = \"required\"").count(), text.matches("kind = \"native\"").count(), "no native client is a bearer");
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_nothing_is_an_error_and_so_is_an_address_of_another_domain() {
    let configuration = Configuration::on(Engine::Sqlite).await;
    let mail = "\n[mail]\nserver = \"127.0.0.1\"\nport = 1\nsecurity = \"none\"\nfrom = \"Shop <shop@example.com>\"\n";
    let world = configuration.with(&format!("{mail}[registration]\nemail_domains = [\"example.com\"]\n")).start().await;
    let told = async |words: &[&str]| symbolon(&world.file(), words, "a long password\n").await;
    let (code, said, error) = told(&["user", "change", "alice"]).await;
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(error.contains("nothing to change was named"), "{error}");
    for (address, allowed) in [("alice@evil-example.com", false), ("alice@sub.example.com", false), ("alice2@Example.com", true)] {
        let (code, _, error) = told(&["user", "change", "alice", "--email", address]).await;
        assert_eq!(code, Some(i32::from(!allowed)), "{address}: {error}");
        assert_eq!(error.contains("email_domains"), !allowed, "{address}: {error}");
    }
    let (code, _, error) = told(&["user", "add", "zoe", "--email", "zoe@other.com"]).await;
    assert!(code == Some(1) && error.contains("email_domains"), "{error}");
    assert_eq!(told(&["user", "add", "zoe", "--email", "zoe@example.com"]).await.0, Some(0));
    world.stop().await;
}

/// A secret that exists already: its digest fits it, and it is not shown.
#[tokio::test(flavor = "multi_thread")]
async fn an_existing_secret_gets_a_digest() {
    let mut world = World::start(Engine::Sqlite).await;
    let secret = "a secret of the server before, 40 letters";
    let old = world.text.split("[client.robot]").nth(1).unwrap().split('\'').nth(1).unwrap().to_owned();
    for words in [&["client", "secret", "--existing"][..], &["client", "secret", "--existing", "--hmac"]] {
        let (code, said, error) = symbolon(&world.file(), words, &format!("{secret}\n")).await;
        assert_eq!(code, Some(0), "{error}");
        assert!(!said.contains(secret) && said.contains("introspection_secret = '"), "{said}");
        let digest = said.split("  secret = '").nth(1).unwrap().split('\'').next().unwrap().to_owned();
        let present = world.text.split("[client.robot]").nth(1).unwrap().split('\'').nth(1).unwrap().to_owned();
        world.text = world.text.replace(&present, &digest);
        world = world.restarted(|_| ()).await;
        let ask = [("grant_type", "client_credentials"), ("scope", "orders:read")];
        let status = async |secret: &str| {
            world.http.post(world.url("/token")).basic_auth("robot", Some(secret)).form(&ask).send().await.unwrap().status().as_u16()
        };
        let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        assert_eq!((status(&form).await, status(&old).await), (200, 401));
    }
    for bad in ["short\n".to_owned(), "\n".to_owned(), format!("{}\n", "a".repeat(257)), format!("{}\0\n", "a".repeat(40))] {
        let (code, said, error) = symbolon(&world.file(), &["client", "secret", "--existing"], &bad).await;
        assert!(code == Some(1) && said.is_empty() && error.contains("32 to 256 bytes"), "{error}");
    }
    world.stop().await;
}

/// S-20: `check` compares the clock of a provider with the one here, says by how much and which side is off, and asks nobody with `--offline`.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_whose_clock_is_wrong_is_named() {
    let provider = crate::world::provider::Provider::start().await;
    let world = crate::upstream::world(Engine::Sqlite, &provider, "").await;
    let dated = |by_s: i64, age_s: Option<i64>| {
        let at = jiff::Timestamp::from_millisecond(symbolon::serve::system_clock()() + by_s * 1000).unwrap();
        let date = at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let date = age_s.map_or(date.clone(), |age_s| format!("{date}\r\nage: {age_s}"));
        provider.says(crate::world::provider::Says { date: Some(date), ..Default::default() });
    };
    let check = async |more: &[&str]| {
        let (code, said, error) = symbolon(&world.file(), &[&["check"], more].concat(), "").await;
        assert_eq!(error, "");
        (code, said.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    for (by_s, age_s, words, weak) in [
        (300, None, "s ahead of the one here", true),
        (-300, None, "s behind the one here", true),
        (20, None, "s ahead of the one here", false),
        (0, None, "", false),
        (-300, Some(300), "", false),
    ] {
        dated(by_s, age_s);
        let (_, said) = check(&[]).await;
        assert_eq!(said.contains("its clock is"), !words.is_empty(), "{by_s}: {said}");
        assert!(said.contains(words), "{by_s}: {said}");
        let marked = said.split(" ! ").skip(1).any(|it| it.starts_with("[upstream.any]: its clock"));
        assert_eq!(marked, weak, "{by_s}: {said}");
    }
    dated(300, None);
    assert!(!check(&["--offline"]).await.1.contains("its clock"));
    world.stop().await;
}
