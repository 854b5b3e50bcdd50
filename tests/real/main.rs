//! The binary, really: as PID 1 of PID namespaces, in containers, on terminals; and beside it the inits that it can
//! stand in for, in the same stories.
//!
//! A story is a [`harness::Case`]: a sentence, its subjects, and a function. Each subject is a trial of its own. Trials
//! run side by side unless they measure ([`harness::Pace`]). A trial that misses something is passed over loudly, and
//! fails when `CI` is set. At the end a table says which init passed which story.
//!
//! This executable is also the command that stories run (see [`child`]), so it has a C `main`: Rust's runtime would
//! change what stories look at before the first line of ours.

#![no_main]
// These are about the binary, which is PID 1; this is a test, and it talks to people.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod child;
mod harness;
mod peers;

mod containers;
mod control;
mod descriptors;
mod dropin;
mod endpoints;
mod exits;
mod grace;
mod helper;
mod hostile;
mod http;
mod own_form;
mod pods;
mod reaping;
mod signals;
mod stopping;
mod terminal;

use harness::inits::Init;
use harness::needs::{is_ci, note_skip, skipped};
use harness::{Case, Pace, Scene};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::ffi::CStr;
use std::sync::RwLock;

/// More trials at once than there are cores: they mostly wait.
const TRIALS_AT_ONCE: usize = 4;

/// Held for reading by trials that share the machine, for writing by those that must not.
static MACHINE: RwLock<()> = RwLock::new(());

/// The entry that the C library calls.
///
/// # Safety
///
/// `argv` must hold `argc` C strings, which the C library sees to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(argc: libc::c_int, argv: *const *const libc::c_char) -> libc::c_int {
    let words: Vec<String> = (0..usize::try_from(argc).unwrap_or_default())
        // SAFETY: the caller's promise; they live as long as the process.
        .map(|index| unsafe { CStr::from_ptr(*argv.add(index)) })
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    if let [_, verb, ear, script @ ..] = words.as_slice()
        && verb == "__child"
    {
        child::live(ear, script);
    }
    // SAFETY: no code of ours. Rust's runtime would have done it; a peer that hangs up must be an error, not our death.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    suite(Arguments::from_iter(words))
}

fn suite(mut arguments: Arguments) -> libc::c_int {
    arguments.test_threads.get_or_insert(TRIALS_AT_ONCE);
    let listing = arguments.list;
    // Now, while there is one thread: a fork of another would keep the copies open for writing, and the kernel
    // executes no file that is.
    harness::inits::prepare();
    let cases = [
        exits::cases(),
        signals::cases(),
        reaping::cases(),
        descriptors::cases(),
        grace::cases(),
        stopping::cases(),
        own_form::cases(),
        dropin::cases(),
        endpoints::cases(),
        control::cases(),
        helper::cases(),
        hostile::cases(),
        terminal::cases(),
        containers::cases(),
        pods::cases(),
    ];
    let cases: Vec<Case> = cases.into_iter().flatten().collect();
    let told: Vec<&str> = cases.iter().map(|case| case.story).collect();
    let stale = peers::stale(&told);
    assert!(
        stale.is_empty(),
        "peers.rs knows of stories that nobody tells: {stale:?}"
    );
    let trials = cases.into_iter().flat_map(trials).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if listing {
        return 0;
    }
    containers::clean_up();
    peers::publish();
    for skip in skipped() {
        println!("PASSED OVER: {skip}");
    }
    // What is left behind is in the temporary directory.
    let _ = std::fs::remove_dir_all(harness::ground());
    libc::c_int::from(conclusion.has_failed())
}

fn trials(case: Case) -> Vec<Trial> {
    let Case {
        story,
        subjects,
        needs,
        pace,
        compared,
        run,
    } = case;
    subjects
        .into_iter()
        .map(|init| {
            let needs = needs.clone();
            let name = format!("{story} [{}]", init.name());
            Trial::ignorable_test(name.clone(), move || {
                let missing = needs.iter().find_map(|need| need.missing());
                let missing = missing.or_else(|| match init.path() {
                    Some(_) => None,
                    None => Some(format!("{} is not installed (tests/setup)", init.name())),
                });
                if let Some(why) = missing {
                    note_skip(&name, &why);
                    return match is_ci() {
                        true => Err(Failed::from(format!("in CI nothing is passed over: {why}"))),
                        false => Ok(Completion::ignored_with(why)),
                    };
                }
                tell(story, init, pace, compared, run)
            })
        })
        .collect()
}

fn tell(
    story: &'static str,
    init: Init,
    pace: Pace,
    compared: bool,
    run: fn(&Scene) -> harness::Outcome,
) -> Result<Completion, Failed> {
    // A trial that panicked with the lock held has damaged nothing that the lock guards.
    let _alone;
    let _together;
    match pace {
        Pace::Alone => _alone = MACHINE.write().unwrap_or_else(|poison| poison.into_inner()),
        Pace::Together => _together = MACHINE.read().unwrap_or_else(|poison| poison.into_inner()),
    }
    harness::expect_failure(peers::is_known_to_fail(story, init));
    let scene = Scene::new(init)?;
    let outcome = run(&scene).map_err(|why| {
        let said = scene.said();
        match said.is_empty() {
            true => why,
            false => format!("{why}\n--- said on stderr:\n{said}"),
        }
    });
    peers::judge(story, init, compared, outcome)
        .map(|()| Completion::Completed)
        .map_err(Failed::from)
}
