//! Clients that mean harm, or are broken. Whatever they do: neither the core nor the helper grows or goes, honest
//! probes are answered meanwhile and afterwards, and the core still stops as it should.

use crate::endpoints::serving;
use crate::ensure;
use crate::harness::run::Run;
use crate::harness::{Case, Outcome, Scene, patience, proc, until};
use crate::http;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::own(
            "2,000 half-open connections are held while honest probes are answered",
            half_open,
        )
        .alone(),
        Case::own("Content-Length: 1000000000000 does no harm", content_length),
        Case::own("an HTTP/2 preface does no harm", preface),
        Case::own("a header of 100 MB does no harm", long_header).alone(),
        Case::own("pipelining without reading does no harm", pipelining).alone(),
        Case::own("connections that are reset at once do no harm", resets),
        Case::own("nonsense of every kind does no harm", nonsense),
    ]
}

/// How much the memory of a process may grow, in kB. Buffers come and go; a leak or a believed length is megabytes.
const GROWTH: u64 = 1024;

struct Pair {
    core: i32,
    helper: i32,
    before: [u64; 2],
}

impl Pair {
    /// The two processes with their memory, after some honest work has warmed them up.
    fn of(run: &Run, port: u16) -> Outcome<Pair> {
        for _ in 0..20 {
            http::expect(port, "/livez", 200)?;
        }
        let helper = run.child_named("monopod-net")?.ok_or("no helper")?;
        let mut pair = Pair {
            core: run.pid,
            helper,
            before: [0, 0],
        };
        pair.before = pair.memory()?;
        Ok(pair)
    }

    fn memory(&self) -> Outcome<[u64; 2]> {
        Ok([
            proc::number(self.core, "VmRSS")?,
            proc::number(self.helper, "VmRSS")?,
        ])
    }

    fn unharmed(&self) -> Outcome {
        let after = self
            .memory()
            .map_err(|why| format!("one of the two is gone: {why}"))?;
        for (name, before, after) in [
            ("core", self.before[0], after[0]),
            ("helper", self.before[1], after[1]),
        ] {
            ensure!(
                after <= before + GROWTH,
                "the {name} grew from {before} to {after} kB"
            );
        }
        Ok(())
    }
}

/// Does harm and sees that none was done.
fn survives(scene: &Scene, harm: fn(u16) -> Outcome) -> Outcome {
    let (mut run, port) = serving(scene, "say up pause")?;
    let pair = Pair::of(&run, port)?;
    harm(port)?;
    pair.unharmed()?;
    http::expect(port, "/livez", 200)?;
    http::expect(port, "/readyz", 200)?;
    run.signal(libc::SIGTERM)?;
    run.ends_with(143)
}

/// Sends bytes, and takes whatever comes until the other side is done; it must be done in time.
fn send(port: u16, bytes: &[u8]) -> Outcome<Vec<u8>> {
    let mut stream = http::connect(port).map_err(|why| format!("connecting: {why}"))?;
    // Being hung up on while still speaking is a fair answer.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(why) if why.kind() == ErrorKind::WouldBlock => Err(format!(
            "neither answered nor closed: {:?}",
            &bytes[..bytes.len().min(40)]
        )),
        _ => Ok(answer),
    }
}

fn half_open(scene: &Scene) -> Outcome {
    let (mut run, port) = serving(scene, "say up pause")?;
    let pair = Pair::of(&run, port)?;
    let mut held: Vec<TcpStream> = Vec::new();
    for _ in 0..2000 {
        let mut stream =
            http::connect(port).map_err(|why| format!("after {}: {why}", held.len()))?;
        let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nHost: half");
        held.push(stream);
    }
    let started = Instant::now();
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let asked = Instant::now();
        http::expect(port, "/livez", 200)?;
        slowest = slowest.max(asked.elapsed());
        // Those that were hung up on come again.
        for stream in held.iter_mut().take(20) {
            if let Ok(mut again) = http::connect(port) {
                let _ = again.write_all(b"GET /readyz HT");
                *stream = again;
            }
        }
    }
    ensure!(
        slowest < Duration::from_secs(1),
        "an honest probe waited {slowest:?}"
    );
    ensure!(
        started.elapsed() < patience(),
        "50 probes took {:?}",
        started.elapsed()
    );
    // The helper's tables may hold as many connections as it allows, and no more.
    let [core, helper] = pair.memory()?;
    ensure!(
        core <= pair.before[0] + GROWTH,
        "the core grew from {} to {core} kB",
        pair.before[0]
    );
    ensure!(
        helper <= pair.before[1] + 4 * GROWTH,
        "the helper grew from {} to {helper} kB",
        pair.before[1]
    );
    drop(held);
    http::expect(port, "/livez", 200)?;
    run.signal(libc::SIGTERM)?;
    run.ends_with(143)
}

fn content_length(scene: &Scene) -> Outcome {
    survives(scene, |port| {
        for length in [
            "1000000000000",
            "9223372036854775807",
            "18446744073709551615",
            "2000",
            "-1",
            "abc",
        ] {
            for method in ["GET", "POST", "HEAD"] {
                let request = format!(
                    "{method} /livez HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
                );
                send(port, request.as_bytes())?;
            }
        }
        Ok(())
    })
}

fn preface(scene: &Scene) -> Outcome {
    survives(scene, |port| {
        for _ in 0..50 {
            send(
                port,
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
            )?;
            send(port, b"GET /livez HTTP/2.0\r\n\r\n")?;
        }
        Ok(())
    })
}

fn long_header(scene: &Scene) -> Outcome {
    survives(scene, |port| {
        for end_of_line in [&b""[..], b"\r\nX: "] {
            let mut stream = http::connect(port).map_err(|why| why.to_string())?;
            let mut piece = vec![b'a'; 1 << 16];
            piece[..end_of_line.len()].copy_from_slice(end_of_line);
            let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nX: ");
            // 100 MB, unless somebody has enough of it before.
            for _ in 0..1600 {
                if stream.write_all(&piece).is_err() {
                    break;
                }
            }
        }
        Ok(())
    })
}

fn pipelining(scene: &Scene) -> Outcome {
    survives(scene, |port| {
        let requests = b"GET /readyz?verbose HTTP/1.1\r\nHost: x\r\n\r\n".repeat(200);
        let mut streams = Vec::new();
        for _ in 0..8 {
            let mut stream = http::connect(port).map_err(|why| why.to_string())?;
            let _ = stream.set_write_timeout(Some(Duration::from_millis(100)));
            // Until the other side takes no more, hangs up, or has had 8 MB.
            for _ in 0..1000 {
                if stream.write_all(&requests).is_err() {
                    break;
                }
            }
            streams.push(stream);
        }
        http::expect(port, "/livez", 200)
    })
}

fn resets(scene: &Scene) -> Outcome {
    survives(scene, |port| {
        for _ in 0..1000 {
            let mut stream = http::connect(port).map_err(|why| why.to_string())?;
            let _ = stream.write_all(b"GET /livez HTTP/1.1\r\n\r\n");
            let linger = libc::linger {
                l_onoff: 1,
                l_linger: 0,
            };
            // SAFETY: one valid linger of the size told; with it, closing is a reset.
            unsafe {
                libc::setsockopt(
                    std::os::fd::AsRawFd::as_raw_fd(&stream),
                    libc::SOL_SOCKET,
                    libc::SO_LINGER,
                    (&raw const linger).cast(),
                    size_of::<libc::linger>() as libc::socklen_t,
                );
            }
        }
        // The last of them are still being looked at.
        until("a probe is answered", patience(), || {
            Ok(http::get(port, "/livez")
                .ok()
                .filter(|answer| answer.status == 200))
        })
        .map(drop)
    })
}

fn nonsense(scene: &Scene) -> Outcome {
    survives(scene, |port| {
        let long_target = [
            b"GET /".as_slice(),
            &b"a".repeat(100_000),
            b" HTTP/1.1\r\n\r\n",
        ]
        .concat();
        let many_headers = [
            b"GET /livez HTTP/1.1\r\n".as_slice(),
            &b"X: y\r\n".repeat(10_000),
            b"\r\n",
        ]
        .concat();
        let lines: &[&[u8]] = &[
            b"",
            b"\r\n\r\n",
            b"\0\0\0\0",
            b"GET\r\n\r\n",
            b"GET /livez\r\n\r\n",
            b"GET  /livez HTTP/1.1\r\n\r\n",
            b"GET /livez HTTP/9.9\r\n\r\n",
            b"GET /livez HTTP/1.1\nHost: x\n\n",
            b"GET /livez HTTP/1.1\r\nHost : x\r\n\r\n",
            b"GET /livez HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            b"GET /%00 HTTP/1.1\r\n\r\n",
            b"GET /\xff\xfe HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GET http://user:secret@host/livez HTTP/1.1\r\n\r\n",
            b"CONNECT host:443 HTTP/1.1\r\n\r\n",
            b"GET /livez HTTP/1.1\r\nExpect: 100-continue\r\n\r\n",
            &long_target,
            &many_headers,
        ];
        lines.iter().try_for_each(|line| send(port, line).map(drop))
    })
}
