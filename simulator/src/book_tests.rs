use proptest::prelude::*;
use protocol::v1::report::{Record, ReportAnswer};

use super::*;

const END_MS: u64 = 60_000;

fn book(numbers: Numbers) -> Book {
    Book::new(Machine::new(1, 0), numbers, 1_000, 1 << 20, 0, 0)
}

fn fresh() -> Book {
    book(Numbers {
        epoch: 1,
        seq: 0,
        acked: None,
    })
}

fn at(boot_ms: u64) -> Now {
    Now {
        boot_ms,
        wall_ms: 1_770_000_000_000 + boot_ms as i64,
    }
}

fn session(epoch: u32, stored_seq: u64) -> Heard {
    Heard::Session(HelloAnswer {
        ephemeral: [0; 32],
        epoch,
        stored_seq,
        facts_digest: None,
        now_ms: 0,
        pending_review: false,
        sections: None,
        packs: None,
    })
}

fn acked(epoch: u32, seq: u64, next_interval_ms: u32) -> Heard {
    Heard::Acked {
        answer: ReportAnswer {
            acked_epoch: epoch,
            acked_seq: seq,
            next_interval_ms,
            now_ms: 0,
            notes: Vec::new(),
        },
        latency_us: 5,
        sent: 1,
    }
}

fn waiting(book: &Book) -> Vec<Record> {
    let batch = book.queue.batch(RECORDS_MAX);
    batch.map_or(Vec::new(), |batch| {
        let decoded = batch.records.iter().map(|r| wire::decode("record", &r.0));
        decoded.collect::<Result<_, _>>().unwrap()
    })
}

proptest! {
    /// Whatever is heard, and in whatever order: nothing is acknowledged twice, and nothing disappears.
    #[test]
    fn every_record_waits_or_was_acknowledged_once(steps in prop::collection::vec((0u8..8, 0u64..6), 1..200)) {
        let mut book = fresh();
        let (mut now, mut taken, mut counted) = (0u64, 0u64, 0u64);
        for (step, number) in steps {
            now += 1 + number * 300;
            taken += book.take_due(at(now), END_MS);
            let last = waiting(&book).last().map_or((1, 0), |r| (r.epoch, r.seq));
            let heard = match step {
                0 => session(book.numbers.epoch, 0),
                1 => session(book.numbers.epoch, book.numbers.seq + number),
                2 => Heard::Refused(Refusal::Forked("fork".to_owned())),
                3 => session(book.numbers.epoch + 1, 0),
                4 => Heard::Refused(Refusal::Later("away".to_owned())),
                5 => Heard::Refused(Refusal::RetryAfter(30_000, "busy".to_owned())),
                6 => acked(last.0, last.1.saturating_sub(number), 1_000),
                _ => acked(last.0, last.1, 1_000),
            };
            counted += book.hear(heard, now, END_MS).acked;
        }
        let left = waiting(&book);
        let (_, ranges, count) = book.close();
        prop_assert_eq!(left.len(), count);
        let listed: Vec<(u32, u64)> = ranges
            .iter()
            .flat_map(|r| (r.first_seq..=r.last_seq).map(|seq| (r.epoch, seq)))
            .collect();
        prop_assert_eq!(listed.len() as u64, counted);
        prop_assert_eq!(taken, counted + count as u64);
        prop_assert!(listed.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", listed);
        prop_assert!(left.iter().all(|r| listed.last().is_none_or(|last| (r.epoch, r.seq) > *last)));
    }
}

#[test]
fn a_run_takes_one_record_an_interval_and_the_last_says_goodbye() {
    let mut book = fresh();
    let taken: u64 = (0..END_MS + 5_000)
        .step_by(10)
        .map(|ms| book.take_due(at(ms), END_MS))
        .sum();
    assert_eq!(taken, 60);
    let records = waiting(&book);
    assert!(records.iter().rev().skip(1).all(|r| r.goodbye.is_none()));
    assert_eq!(records.last().unwrap().goodbye, Some(true));
    assert!(records.iter().all(|r| !r.groups.is_empty()));
    let with_facts = records.iter().filter(|r| r.facts.is_some()).count();
    let with_runs = records.iter().filter(|r| r.collectors.is_some()).count();
    assert_eq!(
        (with_facts, with_runs),
        (1, 1),
        "both in the first record only"
    );
}

#[test]
fn a_run_that_is_stopped_takes_one_more_record_to_say_goodbye() {
    let mut book = fresh();
    assert_eq!(book.take_due(at(0), END_MS), 1);
    assert_eq!(book.take_due(at(300), END_MS), 0);
    assert_eq!(book.take_due(at(300), 200), 1);
    assert_eq!(waiting(&book).last().unwrap().goodbye, Some(true));
    assert_eq!(book.take_due(at(9_000), 200), 0);
    assert!(!book.is_done(300, 200) && book.is_done(200 + DRAIN_MS, 200));
    assert_eq!(book.hear(acked(1, 2, 1_000), 400, 200).acked, 2);
    assert!(book.is_done(400, 200));
}

#[test]
fn the_first_try_is_a_hello_and_a_lost_session_another() {
    let mut book = fresh();
    assert!(book.work(false, 0).is_none(), "nothing to say yet");
    book.take_due(at(0), END_MS);
    assert!(matches!(book.work(false, 0), Some(Work::Hello(claim)) if claim.highest_seq == 1));
    book.hear(session(1, 0), 5, END_MS);
    assert!(matches!(book.work(true, 5), Some(Work::Report(batch)) if batch.seq == 1));
    book.hear(
        Heard::Refused(Refusal::NoSession("gone".to_owned())),
        5,
        END_MS,
    );
    assert!(book.next_try_ms >= 5 && book.next_try_ms < 5 + 1_000);
    assert!(matches!(book.work(false, 5 + 1_000), Some(Work::Hello(_))));
}

#[test]
fn a_server_that_asks_for_patience_gets_it_but_the_drain_has_a_last_try() {
    let mut book = fresh();
    book.take_due(at(0), END_MS);
    let busy = || Heard::Refused(Refusal::RetryAfter(30_000, "busy".to_owned()));
    book.hear(busy(), 0, END_MS);
    assert!(book.work(true, 29_999).is_none());
    assert!(book.work(true, 37_500).is_some());
    book.hear(busy(), END_MS + 10_000, END_MS);
    assert!(book.work(true, END_MS + DRAIN_MS - LAST_TRY_MS).is_some());
}

#[test]
fn a_record_that_is_never_taken_holds_up_no_other() {
    let mut book = fresh();
    (0..4).for_each(|n| assert_eq!(book.take_due(at(n * 1_000), END_MS), 1));
    for sent in [4, 2, 1] {
        let words = "poison".to_owned();
        book.hear(
            Heard::Refused(Refusal::Unacceptable { sent, words }),
            4_000,
            END_MS,
        );
    }
    assert_eq!(waiting(&book).first().unwrap().seq, 2);
}

#[test]
fn a_watched_host_reports_each_second_and_returns_to_its_own_interval() {
    let numbers = fresh().numbers;
    let mut book = Book::new(Machine::new(1, 0), numbers, 10_000, 1 << 20, 0, 0);
    book.take_due(at(0), END_MS);
    book.hear(acked(1, 1, 1_000), 10, END_MS);
    assert_eq!(book.sample_ms(END_MS), Some(1_010));
    assert_eq!(book.take_due(at(1_010), END_MS), 1);
    book.hear(acked(1, 2, 10_000), 1_020, END_MS);
    assert_eq!(book.sample_ms(END_MS), Some(11_020));
}

#[test]
fn an_identity_that_was_taken_back_ends() {
    let mut book = fresh();
    book.take_due(at(0), END_MS);
    let effect = book.hear(
        Heard::Refused(Refusal::Ended("revoked".to_owned())),
        0,
        END_MS,
    );
    assert_eq!(effect.problem.as_deref(), Some("revoked"));
    assert!(book.is_done(0, END_MS));
    assert_eq!(book.take_due(at(5_000), END_MS), 0);
}
