//! Pictures of every page: `cargo xtask screenshots` runs this. The pages come from the server's test `gallery`. Each is opened in Chromium at
//! the width of a phone and of a desk, in both themes, and judged there: what is too wide, cut off, hard to read, or too small to touch.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

#[allow(dead_code, reason = "the driver serves other tests too")]
#[path = "browser/driver.rs"]
mod driver;

use driver::{Driver, driver};
use std::path::{Path, PathBuf};

/// A width and a theme.
struct Dress {
    name: &'static str,
    width: u32,
    height: u32,
    theme: &'static str,
}

const DRESSES: [Dress; 4] = [
    Dress { name: "phone-light", width: 390, height: 844, theme: "light" },
    Dress { name: "phone-dark", width: 390, height: 844, theme: "dark" },
    Dress { name: "desk-light", width: 1280, height: 900, theme: "light" },
    Dress { name: "desk-dark", width: 1280, height: 900, theme: "dark" },
];

/// So many pages are on one picture of a sheet.
const A_SHEET: usize = 8;

/// What is wrong with the page as it is shown: a list of texts. Contrast as WCAG 2.2 has it (1.4.3), size of targets too (2.5.8).
const JUDGE: &str = r#"
const found = [];
const told = (element) => `${element.tagName.toLowerCase()} "${(element.textContent || element.name || "").trim().slice(0, 40)}"`;
if (document.documentElement.scrollWidth > innerWidth) found.push("scrolls sideways");
const seen = (element) => element.getClientRects().length > 0 && !element.closest(".unseen");
for (const element of document.querySelectorAll("main *, header *, footer *")) {
  if (!seen(element)) continue;
  const box = element.getBoundingClientRect();
  if (box.right > innerWidth + 1 || box.left < -1) found.push(`outside of the window: ${told(element)}`);
  const isBlock = getComputedStyle(element).display !== "inline" && element.tagName !== "INPUT";
  if (isBlock && element.scrollWidth > element.clientWidth + 1) found.push(`cut off: ${told(element)}`);
  if (element.matches("button, input, .button") && Math.min(box.width, box.height) < 24) found.push(`too small: ${told(element)}`);
}
const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
const linear = (part) => ((part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const ground = (element) => {
  for (let one = element; one; one = one.parentElement) {
    const colour = numbers(getComputedStyle(one).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || !seen(element) || element.matches("script, style, noscript")) continue;
  const style = getComputedStyle(element);
  const [one, other] = [luminance(numbers(style.color)), luminance(ground(element))];
  const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  const size = parseFloat(style.fontSize);
  const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  if (contrast < (isLarge ? 3 : 4.5)) found.push(`contrast ${contrast.toFixed(1)}: ${told(element)}`);
}
const page = document.querySelector("main").dataset.page;
const field = document.querySelector("form input:not([type=hidden])");
if (field && page !== "account" && document.activeElement.tagName !== "INPUT") found.push("no field has the focus");
return found;
"#;

fn directory(variable: &str) -> PathBuf {
    PathBuf::from(std::env::var(variable).unwrap_or_else(|_| panic!("{variable} names no directory: run cargo xtask screenshots")))
}

/// What is in a directory, in order.
fn inside(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

/// Takes the pictures of one page. What is wrong with it.
async fn take(browser: &Driver, page: &Path, to: &Path) -> Vec<String> {
    let mut found = Vec::new();
    browser.command("/url", serde_json::json!({ "url": format!("file://{}", page.display()) })).await;
    for dress in &DRESSES {
        browser.dress(dress.width, dress.height, dress.theme).await;
        // A field gets the focus when the page is drawn.
        browser.script("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))").await;
        let faults = browser.script(JUDGE).await;
        let faults = faults.as_array().unwrap().iter().map(|fault| fault.as_str().unwrap());
        found.extend(faults.map(|fault| format!("{} {}: {fault}", dress.name, page.display())));
        // As high as the page is.
        let height = browser.script("return document.documentElement.scrollHeight").await.as_u64().unwrap() as u32;
        browser.dress(dress.width, height.max(dress.height), dress.theme).await;
        std::fs::write(to.join(format!("{}-{}.png", name(page), dress.name)), browser.png().await).unwrap();
    }
    found
}

/// The pictures of these pages in this dress, as one document.
fn sheet(pages: &[String], dress: &Dress, of: &str) -> String {
    let one = |page: &String| format!("<figure><figcaption>{page}</figcaption><img src=\"{of}/{page}-{}.png\"></figure>", dress.name);
    let style = "body { margin: 12px; background: #777; font: 15px sans-serif; display: grid; grid-template-columns: repeat(4, 375px); \
                 gap: 12px; align-items: start } figure { margin: 0 } figcaption { background: #fff; padding: 2px 6px } img { width: 100% }";
    format!("<!doctype html><meta charset=\"utf-8\"><style>{style}</style>{}\n", pages.iter().map(one).collect::<String>())
}

/// All dresses of all pages of a group: an HTML document, and pictures of it.
async fn write_sheets(browser: &Driver, (of, pages): (&str, &[String]), to: &Path) {
    for dress in &DRESSES {
        let file = to.join(format!("{}-{}.html", of.replace('/', "-"), dress.name));
        std::fs::write(&file, sheet(pages, dress, of)).unwrap();
        for (number, some) in pages.chunks(A_SHEET).enumerate() {
            let part = to.join("part.html");
            std::fs::write(&part, sheet(some, dress, of)).unwrap();
            browser.command("/url", serde_json::json!({ "url": format!("file://{}", part.display()) })).await;
            browser.dress(1560, 400, "light").await;
            let height = browser.script("return document.documentElement.scrollHeight").await.as_u64().unwrap() as u32;
            browser.dress(1560, height, "light").await;
            std::fs::write(file.with_extension(format!("{}.png", number + 1)), browser.png().await).unwrap();
            std::fs::remove_file(&part).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask screenshots runs it"]
async fn every_page_has_its_picture_and_can_be_read() {
    let (from, to) = (directory("SYMBOLON_PAGES"), directory("SYMBOLON_SCREENSHOTS"));
    let (_chromedriver, browser) = driver().await.expect("there is no chromedriver");
    let mut found = Vec::new();
    let mut count = 0;
    for language in inside(&from) {
        for group in inside(&language) {
            let of = format!("{}/{}", name(&language), name(&group));
            let directory = to.join(&of);
            std::fs::create_dir_all(&directory).unwrap();
            let pages: Vec<PathBuf> = inside(&group).into_iter().filter(|path| path.extension().is_some_and(|it| it == "html")).collect();
            for page in &pages {
                found.extend(take(&browser, page, &directory).await);
            }
            let names: Vec<String> = pages.iter().map(|page| name(page)).collect();
            write_sheets(&browser, (&of, &names), &to).await;
            count += pages.len() * DRESSES.len();
        }
    }
    browser.http.delete(&browser.session).send().await.unwrap();
    println!("{count} pictures");
    assert!(count > 400, "{count}: pages are missing");
    assert!(found.is_empty(), "{} faults:\n{}", found.len(), found.join("\n"));
}
