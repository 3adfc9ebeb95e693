//! The Kotlin listings of docs/ are compiled. The compiler comes from Maven Central, each file of it pinned by its digest. Android's classes
//! are stand-ins (`xtask/kotlin/stubs`): they say what the listings may call. Swift is text.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PAGES: [&str; 2] = ["docs/native.md", "docs/attestation-for-apps.md"];
const HOME: &str = "xtask/kotlin";
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
const COMPILER: &str = "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler";

/// Answers how many listings were compiled.
pub fn check(target: &Path) -> Result<u64, String> {
    let jars = compiler(target)?;
    let work = target.join("kotlin-listings");
    let _ = std::fs::remove_dir_all(&work);
    std::fs::create_dir_all(&work).map_err(|error| error.to_string())?;
    let imports = read(&Path::new(HOME).join("imports.txt"))?;
    let (mut files, mut all) = (Vec::new(), 0);
    for page in PAGES {
        let listings = listings(&read(Path::new(page))?);
        if listings.is_empty() {
            return Err(format!("{page} has no listing in Kotlin"));
        }
        all += listings.len() as u64;
        let file = work.join(page.replace(['/', '.', '-'], "_") + ".kt");
        write(&file, &source(page, &imports, &listings))?;
        files.push(file);
    }
    compile(&jars, &files, &work)?;
    // A compiler that takes whatever it is given would prove nothing.
    let broken = work.join("broken.kt");
    write(&broken, &read(&files[0])?.replacen("getJSONObject", "getJsonObject", 1))?;
    match compile(&jars, &[broken], &work) {
        Err(why) if why.contains("getJsonObject") => Ok(all),
        Err(why) => Err(format!("a listing that is broken on purpose fails for another reason: {why}")),
        Ok(()) => Err("a listing that is broken on purpose compiles".to_owned()),
    }
}

/// The compiler's files, in the order of `jars.sha256`. Others in the directory are not used.
fn compiler(target: &Path) -> Result<Vec<PathBuf>, String> {
    let home = target.join("kotlin");
    let digests = std::path::absolute(Path::new(HOME).join("jars.sha256")).map_err(|error| error.to_string())?;
    let lines = read(&digests)?;
    let jars: Vec<PathBuf> = lines.lines().filter_map(|line| Some(home.join(line.split_once("  ")?.1))).collect();
    if !jars.iter().all(|jar| jar.exists()) {
        let mut fetch = Command::new("mvn");
        fetch.args(["--batch-mode", "--quiet", "--file"]).arg(Path::new(HOME).join("pom.xml"));
        run(fetch.arg(COPY).arg(format!("-DoutputDirectory={}", home.display())), "mvn")?;
    }
    run(Command::new("sha256sum").args(["--check", "--strict", "--quiet"]).arg(&digests).current_dir(&home), "the compiler's digests")?;
    Ok(jars)
}

fn compile(jars: &[PathBuf], files: &[PathBuf], work: &Path) -> Result<(), String> {
    let paths: Vec<String> = jars.iter().map(|jar| jar.display().to_string()).collect();
    let stdlib = paths.iter().find(|path| path.contains("kotlin-stdlib-")).ok_or("jars.sha256 names no kotlin-stdlib")?;
    let mut command = Command::new("java");
    command.args(["-Xmx1g", "-cp", &paths.join(":"), COMPILER, "-no-stdlib", "-no-reflect", "-nowarn", "-classpath", stdlib, "-d"]);
    run(command.arg(work.join("classes")).arg(Path::new(HOME).join("stubs")).args(files), "kotlinc")
}

/// One file of a page. Statements stand in a function, as they do in an app.
fn source(page: &str, imports: &str, listings: &[String]) -> String {
    let name: String = page.chars().filter(char::is_ascii_alphanumeric).collect();
    let wrapped = |(at, text): (usize, &String)| match text.trim_start().starts_with("val ") {
        true => format!("suspend fun listing{at}(challenge: ByteArray) {{\n{text}}}\n"),
        false => text.clone(),
    };
    let parts: Vec<String> = listings.iter().enumerate().map(wrapped).collect();
    format!("package {name}\n\n{imports}\n{}", parts.join("\n"))
}

fn listings(page: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut is_inside = false;
    for line in page.lines() {
        match line {
            "```kotlin" => {
                found.push(String::new());
                is_inside = true;
            }
            "```" => is_inside = false,
            _ => {
                if let Some(listing) = found.last_mut().filter(|_| is_inside) {
                    *listing += line;
                    listing.push('\n');
                }
            }
        }
    }
    found
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn run(command: &mut Command, what: &str) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{what}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{what}:\n{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listing_of_a_page_is_found_and_statements_are_wrapped() {
        let page = "text\n```kotlin\nfun a() = 1\n```\n```swift\nlet b = 2\n```\n```kotlin\nval c = a()\n```\n";
        let found = listings(page);
        assert_eq!(found, ["fun a() = 1\n", "val c = a()\n"]);
        let source = source("docs/a-b.md", "import app.*\n", &found);
        assert!(source.starts_with("package docsabmd\n\nimport app.*\n\nfun a() = 1\n"), "{source}");
        assert!(source.ends_with("suspend fun listing1(challenge: ByteArray) {\nval c = a()\n}\n"), "{source}");
        for page in PAGES {
            assert!(!listings(&read(&Path::new("..").join(page)).unwrap_or_default()).is_empty(), "{page}");
        }
    }
}
