//! What is run beside the PID 1 of a container whose environment names the manifest, as `docker exec` runs it.

use super::{EMPTY, Stream, World};
use crate::plan::ExitCode;

const COMMAND_LINE: &[u8] = b"/monopod\0--health\0:9110\0--\0";
const VARIABLES: &[u8] = b"PATH=/bin\0MONOPOD_MANIFEST=/pod.yaml\0";

fn beside(command_line: &'static [u8], variables: &'static [u8]) -> World {
    World {
        variables: vec![("MONOPOD_MANIFEST", "/pod.yaml")],
        files: vec![
            ("/pod.yaml", b"containers: [{name: web, command: [web]}]"),
            ("/proc/1/cmdline", command_line),
            ("/proc/1/environ", variables),
        ],
        is_pid_1: false,
    }
}

#[test]
fn the_pod_that_pid_1_leads_is_not_led_a_second_time() {
    let world = beside(COMMAND_LINE, VARIABLES);
    for argv in [
        &["/monopod"][..],
        &["monopod", "--"],
        &["./monopod", "--grace=5"],
    ] {
        let (text, code) = world.printed(Stream::Stderr, argv);
        assert_eq!(code, ExitCode::FAILURE, "{argv:?}");
        assert_eq!(
            text,
            "monopod: error: PID 1 leads the life of /pod.yaml already, which MONOPOD_MANIFEST names here too; see \
             monopod status, or write -f /pod.yaml to start all of it a second time\n"
        );
    }
}

#[test]
fn a_pid_1_that_does_not_show_its_variables_to_another_uid_is_taken_to_have_the_images() {
    let mut world = beside(COMMAND_LINE, VARIABLES);
    world.files.pop();
    let (text, _) = world.printed(Stream::Stderr, &["/monopod"]);
    assert!(
        text.contains("PID 1 leads the life of /pod.yaml already"),
        "{text}"
    );
}

#[test]
fn what_is_meant_or_may_be_is_run() {
    let again = &["/monopod"][..];
    for (case, world, argv) in [
        (
            "-f says that it is meant",
            beside(COMMAND_LINE, VARIABLES),
            &["/monopod", "-f", "/pod.yaml"][..],
        ),
        (
            "PID 1 is another program, such as docker-init",
            beside(b"/sbin/docker-init\0--\0/monopod\0", VARIABLES),
            again,
        ),
        (
            "PID 1 goes by another name",
            beside(b"/monopod\0--as\0tini\0/monopod\0", VARIABLES),
            again,
        ),
        (
            "PID 1 leads what a flag says",
            beside(b"/monopod\0-f\0/outer.yaml\0", VARIABLES),
            again,
        ),
        (
            "PID 1 has another manifest, or none",
            beside(COMMAND_LINE, b"MONOPOD_MANIFEST=/outer.yaml\0"),
            again,
        ),
        (
            "PID 1 shows nothing",
            World {
                files: beside(b"", b"").files[..1].to_vec(),
                ..beside(b"", b"")
            },
            again,
        ),
        (
            "we are PID 1",
            World {
                is_pid_1: true,
                ..beside(COMMAND_LINE, VARIABLES)
            },
            again,
        ),
    ] {
        assert_eq!(world.run(argv).command(), ["web"], "{case}");
    }
    let check = &["monopod", "check"];
    let (_, code) = beside(COMMAND_LINE, VARIABLES).printed(Stream::Stdout, check);
    assert_eq!(code, ExitCode::SUCCESS);
    assert_eq!(EMPTY.run(&["monopod", "true"]).command(), ["true"]);
}
