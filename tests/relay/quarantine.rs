//! One container holds the lock of its own pipe: the lines of all others go on, and once it lets go its own do too, each once.

use crate::held::{HOLDS, until_it_holds};
use crate::life::{Folder, Life, PATIENCE, begin, child_of, until};
use std::fs::File;
use std::io::{BufRead, Read};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// So many lines come from each holder once it has let go.
const AFTER: u64 = 3000;

/// A pod of containers that hold and of one that writes for ever.
struct Pod {
    life: Life,
    folder: Folder,
    holders: usize,
    lines: Receiver<String>,
    /// The other end of monopod's standard output.
    out_again: Option<File>,
    said: Arc<Mutex<String>>,
    /// Lines of each container, the holders' first.
    got: Vec<Vec<String>>,
}

impl Pod {
    fn begin(holders: usize) -> Pod {
        let folder = Folder::new();
        let me = std::env::current_exe().expect("it has a path");
        let mut containers = String::new();
        for holder in 0..holders {
            let pid = folder.file(&format!("{holder}.pid"));
            let script = format!(
                "trap \"\" TERM; echo before; {HOLDS}=1 {} --exact held::holder & echo $! > {pid}; wait; seq -f %099.0f 1 {AFTER}; exec sleep 100",
                me.display()
            );
            containers += &format!("{{name: held{holder}, command: [sh, -c, '{script}']}}, ");
        }
        let written = folder.file("written");
        let restless =
            format!("n=0; while sleep 0.005; do n=$((n+1)); echo $n; echo $n > {written}; done");
        containers += &format!("{{name: other, command: [sh, -c, '{restless}']}}");
        let path = folder.file("pod.yaml");
        let text = format!(
            "{{apiVersion: v1, kind: Pod, spec: {{terminationGracePeriodSeconds: 1, containers: [{containers}]}}}}"
        );
        std::fs::write(&path, text).expect("it is ours");
        let mut life = begin(&[
            "--control=none",
            "--log-level=info",
            "--output=prefix",
            "-f",
            &path,
        ]);
        // Who does not ask for lines lets monopod's output fill up.
        let (tell, lines) = sync_channel(16);
        let out = life.out.take().expect("a pipe");
        let again = format!("/proc/self/fd/{}", out.get_ref().as_raw_fd());
        let out_again = File::options().write(true).open(again).expect("ours");
        std::thread::spawn(move || {
            out.lines()
                .try_for_each(|line| tell.send(line.expect("text")))
        });
        let said = Arc::new(Mutex::new(String::new()));
        let (mut err, heard) = (life.err.take().expect("a pipe"), said.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = err.read(&mut bytes) {
                heard
                    .lock()
                    .expect("nobody fails with it")
                    .push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Pod {
            life,
            folder,
            holders,
            lines,
            out_again: Some(out_again),
            said,
            got: vec![Vec::new(); holders + 1],
        }
    }

    /// Reads on until it holds.
    fn read_until(&mut self, what: &str, holds: impl Fn(&Pod) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            assert!(
                begun.elapsed() < PATIENCE,
                "in vain: {what}\n{}",
                self.said()
            );
            let line = self.lines.recv_timeout(PATIENCE);
            self.note(&line.unwrap_or_else(|_| panic!("no line: {what}\n{}", self.said())));
        }
    }

    fn note(&mut self, line: &str) {
        let (name, text) = line.split_once(" | ").expect("a prefix");
        let place = match name.trim().strip_prefix("held") {
            Some(number) => number.parse().expect("a number"),
            None => self.holders,
        };
        self.got[place].push(text.to_owned());
    }

    fn said(&self) -> String {
        self.said.lock().expect("nobody fails with it").clone()
    }

    fn holder(&self, holder: usize) -> i32 {
        let path = self.folder.file(&format!("{holder}.pid"));
        until("there is a holder", || {
            std::fs::read_to_string(&path).ok()?.trim().parse().ok()
        })
    }

    fn is_set_aside(&self, holder: usize) -> bool {
        let name = format!("held{holder}'s standard output");
        let mut said = self.said();
        said.retain(|letter| letter != '\n');
        said.contains(&format!("holds the lock of the pipe of {name}"))
    }

    /// Until all who hold were set aside, and the other went on for some time.
    fn until_set_aside(&mut self) {
        for holder in 0..self.holders {
            until_it_holds(self.holder(holder));
        }
        self.read_until("all are set aside", |pod| {
            (0..pod.holders).all(|holder| pod.is_set_aside(holder))
        });
        self.others_go_on();
    }

    fn others_go_on(&mut self) {
        let last = self.got[self.holders].len() + 100;
        self.read_until("the other goes on", |pod| {
            pod.got[pod.holders].len() >= last
        });
    }

    /// Reads nothing until there is no room, and the relay has a line in hand that must wait.
    fn until_full(&self) {
        let fd = self.out_again.as_ref().expect("still open").as_raw_fd();
        until("the output is full", || {
            let mut polled = libc::pollfd {
                fd,
                events: libc::POLLOUT,
                revents: 0,
            };
            // SAFETY: one struct, which outlives the call.
            (unsafe { libc::poll(&raw mut polled, 1, 0) } == 0).then_some(())
        });
        let written = || -> Option<u64> {
            let text = std::fs::read_to_string(self.folder.file("written")).ok()?;
            text.trim().parse().ok()
        };
        let by_now = until("lines are written", written);
        until("more are", || written().filter(|n| *n > by_now + 3));
    }

    fn let_go(&self, holder: usize) {
        // SAFETY: plain numbers; its parent waits for it in a shell, which has not collected it before.
        unsafe { libc::kill(self.holder(holder), libc::SIGKILL) };
    }

    /// Stops it, and sees that every line came once and in order.
    fn stop(mut self, after: &[u64]) {
        drop(self.out_again.take());
        self.life.signal(libc::SIGTERM);
        let asked = Instant::now();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.note(&line);
        }
        until("it leaves", || self.life.child.try_wait().expect("ours"));
        assert!(asked.elapsed().as_secs() < 5, "{:?}", asked.elapsed());
        let other = &self.got[self.holders];
        let expected: Vec<String> = (1..=other.len()).map(|n| n.to_string()).collect();
        assert_eq!(other, &expected);
        for (got, last) in self.got.iter().zip(after) {
            let is_libtests = |text: &&String| text.starts_with("running") || text.is_empty();
            let got: Vec<&String> = got.iter().filter(|it| !is_libtests(it)).collect();
            let numbers = (1..=*last).map(|number| format!("{number:099}"));
            let all = ["before".to_owned(), "hello".to_owned()];
            let expected: Vec<String> = all.into_iter().chain(numbers).collect();
            assert!(
                got.iter().copied().eq(&expected),
                "{got:?}\n{}",
                self.said()
            );
        }
    }
}

#[test]
fn who_holds_for_good_holds_up_nobody_else_nor_the_stop() {
    let mut pod = Pod::begin(1);
    pod.until_set_aside();
    // The SIGKILL at the end of the grace makes it let go.
    pod.stop(&[0]);
}

#[test]
fn of_two_who_hold_each_goes_on_when_it_lets_go() {
    let mut pod = Pod::begin(2);
    pod.until_set_aside();
    for holder in 0..2 {
        pod.let_go(holder);
        pod.read_until("its lines are there", |pod| {
            pod.got[holder].len() as u64 > AFTER
        });
        pod.others_go_on();
    }
    assert!(pod.said().contains("was let go"), "{}", pod.said());
    assert!(!pod.said().contains("output relay ended"), "{}", pod.said());
    pod.stop(&[AFTER, AFTER]);
}

#[test]
fn and_though_relays_are_killed_all_the_time() {
    let mut pod = Pod::begin(1);
    let murder = pod.life.murder();
    pod.until_set_aside();
    pod.let_go(0);
    pod.read_until("its lines are there", |pod| pod.got[0].len() as u64 > AFTER);
    pod.others_go_on();
    assert!(murder.stop() > 10);
    pod.stop(&[AFTER]);
}

#[test]
fn who_lets_go_while_the_reader_stands_still_goes_on_behind_what_is_on_its_way() {
    let mut pod = Pod::begin(1);
    pod.until_set_aside();
    pod.until_full();
    pod.let_go(0);
    until("it was let go", || {
        pod.said().contains("was let go").then_some(())
    });
    pod.read_until("its lines are there", |pod| pod.got[0].len() as u64 > AFTER);
    pod.stop(&[AFTER]);
}

#[test]
fn the_end_waits_for_who_holds_as_for_a_reader() {
    let folder = Folder::new();
    let (log, room) = (folder.file("log"), folder.path.display().to_string());
    let script = "while test ! -e $0/go; do echo; sleep 0.01; done; echo last";
    let words = ["--grace=20s", "--output=prefix", "--capture", &log, "--"];
    let mut life = begin(&[&words[..], &["sh", "-c", script, &room]].concat());
    let fifo = until("there is a FIFO", || {
        File::options().write(true).open(&log).ok()
    });
    let mut holder = Command::new(std::env::current_exe().expect("it has a path"));
    holder.args(["--exact", "held::holder"]).env(HOLDS, "1");
    let mut holder = holder.stdout(fifo).spawn().expect("it runs");
    let mut said = life.err.take().expect("a pipe").lines();
    assert!(said.any(|line| {
        line.expect("text")
            .contains("holds the lock of the pipe of")
    }));
    std::fs::write(folder.file("go"), "").expect("it is ours");
    let mut lines = life.out.take().expect("a pipe").lines();
    let mut is_there = |text: &str| lines.any(|line| line.expect("text").contains(text));
    assert!(is_there("last"));
    until("its command has ended", || {
        child_of(life.pid(), "sh").is_none().then_some(())
    });
    holder.kill().expect("it is ours");
    holder.wait().expect("it is ours");
    assert!(is_there("hello"));
    assert!(life.end().success());
}
