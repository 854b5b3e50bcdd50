//! Probes and hooks from flags.

use super::super::probe_flag::{Target, Wish, read};
use super::{EMPTY, words, words_of};
use crate::plan::{CheckId, Handler, Hook, HttpGet, NetworkQuestion, Placement, ProbeKind};
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
        (":80/x,periods=5", "did you mean period?"),
        (":80/x,failureTreshold=5", "did you mean failureThreshold?"),
        (":80/x,retries=5", "it knows delay, period"),
        (":80/x?a=1,b=2", "written %2C"),
        ("exec:mount -o ro,size=5", "belongs in quotes"),
        (
            "tcp://a:1,wait=5",
            "\"wait\" is no number of a probe; it knows delay",
        ),
        (":80,period=500ms", "is not a whole number of seconds"),
        (":80,failures=5s", "is not a whole number"),
        (":80,timeout=99999999999", "is not a whole number"),
    ] {
        let fault = ready(value).expect_err(value);
        assert!(fault.contains(expected), "{value}: {fault}");
    }
}

#[test]
fn the_apis_names_and_seconds_with_their_unit_are_understood() {
    let wish = ready(
        ":80/x,initialDelaySeconds=1,periodSeconds=5s,timeoutSeconds=2,failureThreshold=4,successThreshold=6",
    );
    assert_eq!(
        wish,
        ready(":80/x,delay=1s,period=5,timeout=2s,failures=4,successes=6")
    );
    let wish = wish.expect("right");
    assert_eq!(wish.target, Target::Ask(http("127.0.0.1", 80, "/x", false)));
    assert_eq!((wish.numbers.period, wish.numbers.failures), (5, 4));
    let tcp_wish = ready("tcp://db:1,periodSeconds=1m").expect("right");
    assert_eq!(tcp_wish.target, Target::Ask(tcp("db", 1)));
    assert_eq!(tcp_wish.numbers.period, 60);
}

#[test]
fn a_comma_in_quotes_or_before_more_words_is_the_commands() {
    for (value, expected) in [
        ("exec:a 'b,size=5'", &["a", "b,size=5"][..]),
        ("exec:a 'b,period=5',period=7", &["a", "b,period=5"]),
        (
            "exec:mount -o ro,size=5 /x,period=7",
            &["mount", "-o", "ro,size=5", "/x"],
        ),
    ] {
        let wish = ready(value).unwrap_or_else(|fault| panic!("{value}: {fault}"));
        let Target::Exec(argv) = wish.target else {
            panic!("{value}")
        };
        assert_eq!(words_of(&argv), expected, "{value}");
    }
}

#[test]
fn all_faults_of_a_probe_are_told_at_once() {
    let (text, _) = EMPTY.printed(
        super::Stream::Stderr,
        &[
            "monopod",
            "--liveness-probe=80/x,periods=3,failures=0,delay=-1,successes=2",
            "app",
        ],
    );
    let expected = [
        "\"periods\"",
        "delay=\"-1\"",
        "successes=2",
        "\"80/x\" is not a probe",
    ];
    assert_eq!(text.lines().count(), expected.len(), "{text}");
    for (line, expected) in text.lines().zip(expected) {
        assert!(
            line.starts_with("monopod: error: --liveness-probe: "),
            "{line}"
        );
        assert!(line.contains(expected), "{line} is not {expected}");
    }
}

#[test]
fn s33_only_readiness_may_ask_for_several_successes() {
    for kind in [ProbeKind::Liveness, ProbeKind::Startup] {
        assert!(read(OsStr::new(":80,successes=2"), kind).is_err());
    }
}

#[test]
fn a_command_alone_has_probes_and_hooks_too() {
    let run = EMPTY.run(&[
        "monopod",
        "--readiness-probe=:80/x,period=2",
        "--liveness-probe=exec:ask me",
        "--post-start=hello",
        "app",
    ]);
    let main = run.main();
    assert_eq!(run.command(), ["app"]);
    let readiness = main.readiness_probe.as_ref().expect("there is one");
    assert_eq!(readiness.handler, Handler::Ask(CheckId(0)));
    assert_eq!(run.plan.checks.len(), 1);
    let liveness = main.liveness_probe.as_ref().expect("there is one");
    let Handler::Exec(id) = liveness.handler else {
        panic!("{liveness:?}")
    };
    assert_eq!(words(run.plan.program(id)), ["ask", "me"]);
    let Some(Hook::Exec(id)) = main.post_start else {
        panic!("{main:?}")
    };
    let hook = run.plan.program(id);
    assert_eq!(hook.placement, Placement::Group);
    assert!(!hook.kept_output, "it prints, as a pre-stop hook does");
    assert!(!run.plan.let_go, "its working directory is needed again");
}
