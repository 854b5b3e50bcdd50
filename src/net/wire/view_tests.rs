//! Every record comes back as it went, and noise is nothing.

use super::*;
use crate::report::samples::{self, WEB, at};

fn records() -> Vec<Record> {
    let mut records = Vec::new();
    for view in [
        samples::serving(),
        samples::initializing(),
        samples::crashing(),
    ] {
        let mut head = Head {
            now: 12,
            status: view.status.clone(),
            containers: 5,
        };
        head.status.containers.clear();
        head.status.stopping_since = Some(at(9));
        records.push(Record::Head(head));
        for (place, status) in view.status.containers.iter().enumerate() {
            records.push(Record::Container(place, *status, place % 2 == 0));
        }
    }
    let mut missing = samples::ended(127, 1, 1);
    missing.unstartable = Some(Unstartable {
        stage: Stage::WorkingDir,
        errno: libc::ENOENT,
    });
    let missing = ContainerStatus {
        state: ContainerState::Waiting(WaitingReason::RunContainerError),
        last: Some(missing),
        ..samples::waiting()
    };
    records.push(Record::Container(5, missing, false));
    records.push(Record::Event(Event {
        about: Some(WEB),
        reason: Reason::ProbeWarning,
        message: "é".into(),
        count: 4,
        first: at(1),
        last: at(2),
        revision: 77,
    }));
    for what in [
        Milestone::Started,
        Milestone::Ended(Ending::Killed(Signal::KILL)),
        Milestone::Ended(Ending::OutOfMemory),
        Milestone::Ready,
        Milestone::Unready,
        Milestone::Initialized,
        Milestone::Stopping,
        Milestone::GraceOver,
    ] {
        let about = (what == Milestone::Started).then_some(WEB);
        let at = at(3);
        records.push(Record::Mark(Mark { at, about, what }));
    }
    records.push(Record::LastWords(WEB, [Some("bye".to_owned()), None]));
    records.push(Record::Counts(1 << 40, 3));
    let attempts = Attempts {
        successful: 1,
        failed: 2,
        unknown: 3,
        took: Duration::from_nanos(4),
    };
    records.push(Record::Attempts(4, [attempts; 3]));
    records
}

#[test]
fn every_record_comes_back_as_it_went() {
    let records = records();
    let mut out = Writer::new(b'!');
    for record in &records {
        record.write(&mut out);
    }
    let bytes = out.done();
    let mut reader = Reader::new(b'!', &bytes).unwrap();
    for record in records {
        assert_eq!(Record::read(&mut reader), Some(record));
    }
    assert!(reader.is_done());
}

#[test]
fn a_record_that_is_cut_off_is_none() {
    for record in records() {
        let mut out = Writer::new(b'!');
        record.write(&mut out);
        let bytes = out.done();
        for cut in 1..bytes.len() {
            let mut reader = Reader::new(b'!', &bytes[..cut]).unwrap();
            assert_eq!(Record::read(&mut reader), None, "{record:?} cut at {cut}");
        }
    }
}

#[test]
fn noise_never_hurts() {
    let mut seed = 9_u64;
    for _ in 0..100_000 {
        let mut bytes = vec![b'!'];
        for _ in 0..seed % 90 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            bytes.push((seed >> 32) as u8 % 9);
        }
        seed = seed.wrapping_add(1);
        let mut reader = Reader::new(b'!', &bytes).unwrap();
        while Record::read(&mut reader).is_some() {}
    }
}

#[test]
fn a_container_is_small_enough_for_a_thousand_to_fit() {
    let status = ContainerStatus {
        state: ContainerState::Terminated(samples::ended(1, 2, 3)),
        last: Some(samples::ended(1, 2, 3)),
        ..samples::running(5)
    };
    let mut out = Writer::new(b'!');
    Record::Container(999, status, true).write(&mut out);
    // The socket's buffer is 208 KiB unless somebody has changed it.
    assert!(out.done().len() * CONTAINERS_PER_ANSWER < 100 * 1024);
}
