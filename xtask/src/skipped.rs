//! Tests that found nothing to judge, such as the vectors beside the project or a PostgreSQL server. Each prints a line that begins with
//! `skipped: `, and passes. Node.js says itself what it skips. `cargo xtask test` says at its end how many there were, and why.

use std::collections::BTreeMap;

const BEGIN: &str = "skipped: ";

/// Reads the output of `cargo test -- --show-output`: what passing tests print is read and not shown.
#[derive(Default)]
pub struct Output {
    of_passing_tests: bool,
    test: String,
    /// Reasons by the name of the test.
    pub skipped: BTreeMap<String, String>,
    /// How many of them Node.js skipped.
    pub skipped_in_node: u64,
}

impl Output {
    pub fn is_for_people(&mut self, line: &str) -> bool {
        if let Some((name, reason)) = of_node(line) {
            self.skipped_in_node += u64::from(self.skipped.insert(name.to_owned(), reason.to_owned()).is_none());
        }
        match line {
            "successes:" => self.of_passing_tests = true,
            "failures:" => self.of_passing_tests = false,
            _ if line.starts_with("test result: ") || line.starts_with("running ") => self.of_passing_tests = false,
            _ => {}
        }
        if !self.of_passing_tests {
            return true;
        }
        if let Some(name) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
            name.clone_into(&mut self.test);
        }
        if let Some(reason) = line.strip_prefix(BEGIN) {
            self.skipped.entry(self.test.clone()).or_insert_with(|| reason.to_owned());
        }
        false
    }
}

/// The name and the reason of a test that Node.js skips: `﹣ NAME (0.1ms) # REASON`. A test without a reason has `SKIP` there.
fn of_node(line: &str) -> Option<(&str, &str)> {
    let (name, reason) = line.trim_start().strip_prefix("\u{fe63} ")?.rsplit_once(" # ")?;
    Some((name.rsplit_once(" (").map_or(name, |(name, _)| name), reason))
}

/// One line for each reason, with how many tests gave it.
pub fn reasons(skipped: &BTreeMap<String, String>) -> Vec<String> {
    let mut by_reason: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in skipped.values() {
        *by_reason.entry(reason).or_default() += 1;
    }
    by_reason.into_iter().map(|(reason, count)| format!("skipped {count}: {reason}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_judged_nothing_is_counted_once_and_named() {
        let text = "running 3 tests\ntest a ... ok\ntest b ... ok\n\nsuccesses:\n\n---- a stdout ----\nskipped: no vectors\nskipped: no vectors\n\n\
                    ---- b stdout ----\nnothing skipped: here\n\nsuccesses:\n    a\n    b\n\nfailures:\n\n---- c stdout ----\nskipped: not counted\n\n\
                    test result: FAILED. 2 passed; 1 failed\n";
        let mut output = Output::default();
        let shown: Vec<&str> = text.lines().filter(|line| output.is_for_people(line)).collect();
        assert_eq!(output.skipped, BTreeMap::from([("a".to_owned(), "no vectors".to_owned())]));
        assert!(shown.contains(&"test a ... ok") && shown.contains(&"test result: FAILED. 2 passed; 1 failed"), "{shown:?}");
        assert!(shown.contains(&"---- c stdout ----") && !shown.iter().any(|line| line.contains("nothing skipped")), "{shown:?}");
        assert_eq!(reasons(&output.skipped), ["skipped 1: no vectors"]);
        assert_eq!(output.skipped_in_node, 0);
    }

    #[test]
    fn what_node_skips_is_counted_with_its_reason() {
        let mut output = Output::default();
        for line in
            ["\u{fe63} docs/apis/go.md: good (all) (9.5ms) # Go is missing", "\u{2714} f (0.1ms)", "\u{2139} skipped 1", "# no test"]
        {
            assert!(output.is_for_people(line), "{line}");
        }
        assert_eq!(output.skipped, BTreeMap::from([("docs/apis/go.md: good (all)".to_owned(), "Go is missing".to_owned())]));
        assert_eq!(output.skipped_in_node, 1);
    }
}
