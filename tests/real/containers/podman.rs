//! Under podman: `--init` with monopod as the init, and pods whose infra container is `catatonit -P`.

use super::oci;
use super::{code, make_root, output, run};
use crate::ensure;
use crate::harness::ear::Ear;
use crate::harness::inits::{self, Init};
use crate::harness::needs::Need;
use crate::harness::{Case, Outcome, Scene, ground, patience, proc, until};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    let podman = |case: Case| {
        case.needing(Need::Program("podman"))
            .needing(Need::Program("busybox"))
    };
    [
        Case::of(
            &[Init::AsCatatonit],
            "podman run --init --init-path hands on codes and signals",
            init,
        ),
        Case::own("podman run has monopod as its entrypoint", entrypoint),
        Case::of(
            &[Init::AsCatatonit],
            "a pod of podman has catatonit -P as its infra container",
            pod,
        ),
    ]
    .map(podman)
    .into()
}

/// Another runtime than podman's own where that does not work.
fn runtime() -> &'static [&'static str] {
    match oci::hybrid_in_the_way() {
        true => &["--runtime", "runc"],
        false => &[],
    }
}

fn descriptors_at_most() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 1024,
    };
    // SAFETY: room for one limit; on failure it stays as it is.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    limit.rlim_max.min(1 << 20)
}

/// podman with all its state in the scene, and a container by name that is removed in the end.
struct Podman<'a> {
    scene: &'a Scene,
    name: String,
}

impl<'a> Podman<'a> {
    fn new(scene: &'a Scene) -> Outcome<Podman<'a>> {
        make_root(&scene.dir.join("root"))?;
        // Locks in files: those in shared memory would be everybody's.
        let settings = "[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nlock_type = \"file\"\n";
        // podman asks for more descriptors and processes than a machine in a container may be allowed to give.
        let most = descriptors_at_most();
        let limits = format!(
            "[containers]\ndefault_ulimits = [\"nofile={most}:{most}\", \"nproc={most}:{most}\"]\n"
        );
        let helpers = format!(
            "helper_binaries_dir = [\"{}\", \"/usr/libexec/podman\", \"/usr/lib/podman\"]\n",
            ground().display()
        );
        let settings = format!("{settings}{helpers}{limits}");
        std::fs::write(scene.dir.join("containers.conf"), settings)
            .map_err(|why| why.to_string())?;
        let name = scene.dir.to_string_lossy().replace('/', "-");
        Ok(Podman {
            scene,
            name: name.trim_start_matches('-').to_owned(),
        })
    }

    fn command(&self, words: &[&str]) -> Command {
        let state = self.scene.dir.join("podman");
        let mut command = Command::new("podman");
        command
            .env("CONTAINERS_CONF", self.scene.dir.join("containers.conf"))
            .arg("--root")
            .arg(state.join("root"))
            .arg("--runroot")
            .arg(state.join("run"))
            .arg("--tmpdir")
            .arg(state.join("tmp"))
            .args(["--storage-driver", "vfs"])
            .args(runtime())
            .args(words)
            .stdin(Stdio::null());
        command
    }

    fn run(&self, flags: &[&str], command: &[&str]) -> Command {
        let ground = format!("{0}:{0}", ground().display());
        let mut words = vec![
            "run",
            "--name",
            &self.name,
            "--network",
            "none",
            "--volume",
            &ground,
        ];
        words.extend(flags);
        let mut all = self.command(&words);
        all.arg("--rootfs")
            .arg(self.scene.dir.join("root"))
            .args(command);
        all
    }
}

impl Drop for Podman<'_> {
    fn drop(&mut self) {
        let _ = output(&mut self.command(&["rm", "--force", "--time", "0", &self.name]));
    }
}

fn lives(scene: &Scene, flags: &[&str], before: &[&str]) -> Outcome {
    let mut ear = Ear::new(&scene.ear_path())?;
    let podman = Podman::new(scene)?;
    let line = scene.script_line("orphan { say orphan } say up ears");
    let mut command = before.to_vec();
    command.extend(line.split(' '));
    let log = std::fs::File::create(scene.dir.join("words")).map_err(|why| why.to_string())?;
    let again = log.try_clone().map_err(|why| why.to_string())?;
    let mut client = podman
        .run(flags, &command)
        .stdout(log)
        .stderr(again)
        .spawn()
        .map_err(|why| format!("podman: {why}"))?;
    let said = |why: String| {
        format!(
            "{why}; podman said {:?}",
            std::fs::read_to_string(scene.dir.join("words"))
        )
    };
    ear.expect("ready").map_err(said)?;
    run(&mut podman.command(&["kill", "--signal", "USR1", &podman.name]))?;
    ear.expect("sig 10")?;
    run(&mut podman.command(&["kill", "--signal", "KILL", &podman.name]))?;
    let ended = code(&mut client)?;
    ensure!(ended == 137, "podman run ended with {ended}");
    run(&mut podman.command(&["rm", "--force", &podman.name]))?;

    let line = scene.script_line("say up pause");
    let mut command = before.to_vec();
    command.extend(line.split(' '));
    let mut client = podman
        .run(flags, &command)
        .spawn()
        .map_err(|why| format!("podman: {why}"))?;
    ear.expect("up")?;
    let asked = Instant::now();
    run(&mut podman.command(&["stop", "--time", "20", &podman.name]))?;
    ensure!(
        asked.elapsed() < Duration::from_secs(10),
        "podman stop took {:?}",
        asked.elapsed()
    );
    let ended = code(&mut client)?;
    ensure!(ended == 143, "podman run ended with {ended}");
    Ok(())
}

fn init(scene: &Scene) -> Outcome {
    let path = inits::link("podman-init");
    lives(
        scene,
        &["--init", "--init-path", &path.to_string_lossy()],
        &[],
    )
}

fn entrypoint(scene: &Scene) -> Outcome {
    lives(
        scene,
        &["--read-only", "--user", "12345"],
        &["/monopod", "--"],
    )
}

fn pod(scene: &Scene) -> Outcome {
    let podman = Podman::new(scene)?;
    // The pause image is made of the catatonit that the settings point to, which is ours.
    run(&mut podman.command(&[
        "pod",
        "create",
        "--name",
        &podman.name,
        "--network",
        "none",
        "--share",
        "pid,ipc",
    ]))?;
    let outcome = pod_lives(scene, &podman);
    run(&mut podman.command(&["pod", "rm", "--force", "--time", "0", &podman.name]))?;
    outcome
}

fn pod_lives(scene: &Scene, podman: &Podman) -> Outcome {
    run(&mut podman.command(&["pod", "start", &podman.name]))?;
    let format = "{{.InfraContainerID}}";
    let infra = run(&mut podman.command(&["pod", "inspect", "--format", format, &podman.name]))?;
    let pid = run(&mut podman.command(&["inspect", "--format", "{{.State.Pid}}", infra.trim()]))?;
    let exe = format!("/proc/{}/exe", pid.trim());
    let ours = std::fs::read(inits::monopod()).map_err(|why| why.to_string())?;
    let theirs = std::fs::read(&exe).map_err(|why| format!("{exe}: {why}"))?;
    ensure!(ours == theirs, "the infra container does not run monopod");

    let mut ear = Ear::new(&scene.ear_path())?;
    let ground = format!("{0}:{0}", ground().display());
    let name = format!("{}-member", podman.name);
    let line = scene.script_line("orphan { sleep 100 say orphan } exit 0");
    let words = [
        "run",
        "--rm",
        "--pod",
        &podman.name,
        "--name",
        &name,
        "--volume",
        &ground,
        "--ulimit",
        "host",
    ];
    let mut member = podman.command(&words);
    member
        .arg("--rootfs")
        .arg(scene.dir.join("root"))
        .args(line.split(' '));
    run(&mut member)?;
    ear.expect("orphan")?;
    let pid: i32 = pid
        .trim()
        .parse()
        .map_err(|why| format!("{pid:?}: {why}"))?;
    until(
        "the pause process has reaped what the member left",
        patience(),
        || Ok(proc::children(pid)?.is_empty().then_some(())),
    )?;
    let asked = Instant::now();
    run(&mut podman.command(&["pod", "stop", "--time", "20", &podman.name]))?;
    ensure!(
        asked.elapsed() < Duration::from_secs(10),
        "podman pod stop took {:?}",
        asked.elapsed()
    );
    Ok(())
}
