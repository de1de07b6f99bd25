//! Counting: what test runners print, as passed, failed and skipped with reasons.

use std::fmt;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
    failures: Vec<Failure>,
    skips: Vec<Skip>,
}

#[derive(Debug, PartialEq, Eq)]
struct Failure {
    name: String,
    /// The first lines of why, where the runner said so.
    why: Vec<String>,
}

/// Lines of a failure's cause that the report repeats: the log above it is long, and often cut.
const WHY_LINES_MAX: usize = 16;
const WHY_LINE_CHARS_MAX: usize = 300;

#[derive(Debug, PartialEq, Eq)]
struct Skip {
    name: String,
    reason: String,
}

impl Tally {
    pub fn fail(&mut self, name: &str) {
        self.fail_because(name, "");
    }

    pub fn fail_because(&mut self, name: &str, why: &str) {
        self.failed += 1;
        self.name_failure(name);
        why.lines().for_each(|line| self.explain(name, line));
    }

    fn name_failure(&mut self, name: &str) {
        self.failures.push(Failure {
            name: name.to_owned(),
            why: Vec::new(),
        });
    }

    fn explain(&mut self, name: &str, line: &str) {
        let failure = self.failures.iter_mut().rfind(|it| it.name == name);
        if let Some(failure) = failure
            && failure.why.len() < WHY_LINES_MAX
            && !line.trim().is_empty()
        {
            failure
                .why
                .push(line.chars().take(WHY_LINE_CHARS_MAX).collect());
        }
    }

    pub fn skip(&mut self, name: &str, reason: &str) {
        self.skips.push(Skip {
            name: name.to_owned(),
            reason: reason.to_owned(),
        });
    }

    /// Adds what a runner reported. One that failed without a failed test did not get as far as
    /// its tests (it did not compile, or crashed): that is a failure too.
    pub fn add_runner(&mut self, name: &str, succeeded: bool, tally: Tally) {
        let reported_failure = tally.failed > 0;
        self.passed += tally.passed;
        self.failed += tally.failed;
        self.failures.extend(tally.failures);
        self.skips.extend(tally.skips);
        if !succeeded && !reported_failure {
            self.fail(&format!("{name} (did not run to the end)"));
        }
    }

    /// Takes tests that said so themselves, a line `name: reason` each, out of the passed ones.
    pub fn move_to_skipped(&mut self, lines: &str) {
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            let (name, reason) = line.split_once(": ").unwrap_or((line, "no reason given"));
            self.passed = self.passed.saturating_sub(1);
            self.skip(name, reason);
        }
    }
}

/// The report: failures, skips with their reasons, and the counts as the last line.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            writeln!(f, "failed: {}", failure.name)?;
            for line in &failure.why {
                writeln!(f, "    {line}")?;
            }
        }
        for skip in &self.skips {
            writeln!(f, "skipped: {}: {}", skip.name, skip.reason)?;
        }
        writeln!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed,
            self.failed,
            self.skips.len()
        )
    }
}

/// Reads what `cargo test` prints on stdout, line by line.
#[derive(Debug, Default)]
pub struct CargoTestOutput {
    tally: Tally,
    /// Named since the last result line, to notice those that were not.
    failed_by_name: u64,
    ignored_by_name: u64,
    /// Whose captured output is being printed.
    explained: Option<String>,
}

impl CargoTestOutput {
    pub fn line(&mut self, line: &str) {
        let captured = line.strip_prefix("---- ");
        if let Some(name) = captured.and_then(|rest| rest.strip_suffix(" stdout ----")) {
            self.explained = Some(name.to_owned());
        } else if line == "stack backtrace:" || line == "failures:" {
            self.explained = None;
        } else if let Some(name) = &self.explained {
            self.tally.explain(name, line);
        }
        if let Some(result) = line.strip_prefix("test result: ") {
            self.result(result);
        } else if let Some((name, outcome)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.rsplit_once(" ... "))
        {
            self.outcome(name, outcome);
        }
    }

    fn outcome(&mut self, name: &str, outcome: &str) {
        if outcome.ends_with("FAILED") {
            self.failed_by_name += 1;
            self.tally.name_failure(name);
        } else if let Some(reason) = outcome.strip_prefix("ignored") {
            let reason = reason.trim_start_matches(", ");
            self.ignored_by_name += 1;
            self.tally.skip(
                name,
                if reason.is_empty() {
                    "ignored, no reason given"
                } else {
                    reason
                },
            );
        }
    }

    /// `ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.01s`
    fn result(&mut self, result: &str) {
        let count = |what: &str| -> u64 {
            let part = result
                .split(['.', ';'])
                .find_map(|part| part.trim().strip_suffix(what));
            part.and_then(|number| number.trim().parse().ok())
                .unwrap_or(0)
        };
        self.tally.passed += count(" passed");
        let (failed, ignored) = (count(" failed"), count(" ignored"));
        self.tally.failed += failed;
        for _ in self.failed_by_name..failed {
            self.tally.name_failure("a test whose name was not read");
        }
        for _ in self.ignored_by_name..ignored {
            self.tally.skip("a test whose name was not read", "ignored");
        }
        (self.failed_by_name, self.ignored_by_name) = (0, 0);
    }

    /// A program that crashed printed no result line; its named failures still count.
    pub fn into_tally(mut self) -> Tally {
        self.tally.failed += self.failed_by_name;
        self.tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Tally {
        let mut output = CargoTestOutput::default();
        text.lines().for_each(|line| output.line(line));
        output.into_tally()
    }

    #[test]
    fn several_programs_are_summed_and_ignored_tests_keep_their_reason() {
        let tally = read(
            "\nrunning 3 tests\ntest a::one ... ok\ntest a::two ... ignored, needs systemd\n\
             test a::three ... FAILED\n\nfailures:\n\n---- a::three stdout ----\n\n\
             thread 'a::three' panicked at a.rs:7:9:\nno luck\nstack backtrace:\n   0: begin\n\n\
             failures:\n    a::three\n\n\
             test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\n\
             running 2 tests\ntest b - should panic ... ok\ntest c ... ignored\n\
             test result: ok. 11 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.20s\n",
        );
        assert_eq!(
            tally.to_string(),
            "failed: a::three\n    thread 'a::three' panicked at a.rs:7:9:\n    no luck\nskipped: a::two: needs systemd\nskipped: c: ignored, no reason given\n\
             12 passed, 1 failed, 2 skipped\n"
        );
    }

    #[test]
    fn quiet_results_still_count() {
        let tally = read("test result: FAILED. 0 passed; 2 failed; 1 ignored; 0 measured");
        assert_eq!(
            (
                tally.passed,
                tally.failed,
                tally.skips.len(),
                tally.failures.len()
            ),
            (0, 2, 1, 2)
        );
    }

    #[test]
    fn a_runner_that_fails_without_a_failed_test_is_one_failure() {
        let mut tally = Tally::default();
        tally.add_runner("domain", false, read("error: could not compile"));
        assert_eq!((tally.passed, tally.failed), (0, 1));
        tally.add_runner("app", false, read("test x ... FAILED\n"));
        assert_eq!(tally.failed, 2, "a crash after a named failure counts once");
        tally.add_runner(
            "agent",
            true,
            read("test result: ok. 4 passed; 0 failed; 0 ignored"),
        );
        assert_eq!((tally.passed, tally.failed), (4, 2));
    }

    #[test]
    fn tests_that_could_not_run_are_not_passed() {
        let mut tally = read("test result: ok. 4 passed; 0 failed; 0 ignored");
        tally.move_to_skipped("systemd::restart: needs root\n\n");
        assert_eq!(
            tally.to_string(),
            "skipped: systemd::restart: needs root\n3 passed, 0 failed, 1 skipped\n"
        );
    }
}
