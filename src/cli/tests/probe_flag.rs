//! Probes and hooks from flags.

use super::super::probe_flag::{Target, Wish, read};
use super::words_of;
use crate::plan::{HttpGet, NetworkQuestion, ProbeKind};
use std::ffi::OsStr;

fn ready(value: &str) -> Result<Wish, String> {
    read(OsStr::new(value), ProbeKind::Readiness)
}

fn http(host: &str, port: u16, path: &str, tls: bool) -> NetworkQuestion {
    NetworkQuestion::Http(HttpGet {
        tls,
        host: host.to_owned(),
        port,
        path: path.to_owned(),
        headers: Vec::new(),
    })
}

fn tcp(host: &str, port: u16) -> NetworkQuestion {
    NetworkQuestion::Tcp {
        host: host.to_owned(),
        port,
    }
}

fn grpc(host: &str, port: u16, service: &str) -> NetworkQuestion {
    NetworkQuestion::Grpc {
        host: host.to_owned(),
        port,
        service: service.to_owned(),
        tls: false,
    }
}

#[test]
fn every_kind_of_target_is_understood() {
    for (value, expected) in [
        (":8080/ready", http("127.0.0.1", 8080, "/ready", false)),
        (":8080", http("127.0.0.1", 8080, "/", false)),
        (
            "http://:80?verbose",
            http("127.0.0.1", 80, "?verbose", false),
        ),
        (
            "http://localhost/x,y?a=b",
            http("localhost", 80, "/x,y?a=b", false),
        ),
        ("https://[::1]/", http("::1", 443, "/", true)),
        (
            "https://a.example:8443/x",
            http("a.example", 8443, "/x", true),
        ),
        ("tcp://db:5432", tcp("db", 5432)),
        ("tcp://:1/", tcp("127.0.0.1", 1)),
        ("grpc://:9000", grpc("127.0.0.1", 9000, "")),
        (
            "grpc://[::1]:9000/my.Service",
            grpc("::1", 9000, "my.Service"),
        ),
    ] {
        assert_eq!(
            ready(value).map(|wish| wish.target),
            Ok(Target::Ask(expected)),
            "{value}"
        );
    }
    let Ok(Wish {
        target: Target::Exec(argv),
        ..
    }) = ready("exec:redis-cli -p 1 'a,b', ping,period=5")
    else {
        panic!("not understood");
    };
    assert_eq!(words_of(&argv), ["redis-cli", "-p", "1", "a,b,", "ping"]);
}

#[test]
fn numbers_stand_behind_and_zero_is_the_default() {
    let numbers = ready(":80/x,delay=1,period=5,timeout=2,failures=4,successes=6")
        .expect("right")
        .numbers;
    let all = (
        numbers.delay,
        numbers.period,
        numbers.timeout,
        numbers.failures,
        numbers.successes,
    );
    assert_eq!(all, (1, 5, 2, 4, 6));
    let numbers = ready(":80,period=0,timeout=0,failures=0")
        .expect("right")
        .numbers;
    assert_eq!(
        (numbers.period, numbers.timeout, numbers.failures),
        (10, 1, 3)
    );
    assert_eq!(
        ready(":80,period=2,period=3")
            .expect("right")
            .numbers
            .period,
        2,
        "the first is the nearest"
    );
}

#[test]
fn what_is_no_probe_is_refused() {
    for (value, expected) in [
        ("", "is not a probe"),
        ("8080", "is not a probe"),
        ("localhost:80/x", "is not a probe"),
        ("ftp://a:1", "is not a probe"),
        ("http:///x", "is not a probe"),
        ("http://a:0/", "is not a probe"),
        ("http://a:65536/", "is not a probe"),
        ("http://a:+1/", "is not a probe"),
        ("http://u@a/", "is not a probe"),
        ("http://[::1/", "is not a probe"),
        ("tcp://a", "names no port"),
        ("tcp://a:1/x", "is not a probe"),
        ("grpc://a/x", "names no port"),
        ("exec:", "has no command in it"),
        ("exec:a && b", "shell operator"),
        (":80,period=x", "is not a whole number"),
        (":80,period=-1", "is not a whole number"),
        (":80,perid=5", "did you mean period?"),
        (":80,timeout=99999999999", "is not a whole number"),
    ] {
        let fault = ready(value).expect_err(value);
        assert!(fault.contains(expected), "{value}: {fault}");
    }
}

#[test]
fn s33_only_readiness_may_ask_for_several_successes() {
    for kind in [ProbeKind::Liveness, ProbeKind::Startup] {
        assert!(read(OsStr::new(":80,successes=2"), kind).is_err());
    }
}
