//! The network clients against real servers: nginx, redis, and the health service of Google's gRPC for Python.
//!
//! What the clients say and make of answers, byte by byte, is tested beside them (`src/net/probes`); here they meet
//! programs that were not written for them. A trial whose server is not installed is passed over loudly, and fails when
//! `CI` is set; `tests/setup` installs what is needed.

// This is a test, and it talks to people.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use monopod::machine::{Answer, AskId, Cause, Outcome};
use monopod::net::probes::Probes;
use monopod::plan::{Asker, Check, CheckId, HttpGet, NetworkQuestion};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Longer than any server here takes to start on a busy machine.
const A_WHILE: Duration = Duration::from_secs(20);

/// What this program is called with to be the story of `a_connection_to_oneself_is_none`.
const TO_ONESELF: &str = "__to_oneself";

type Story = fn(&Path) -> Result<(), Failed>;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(TO_ONESELF) {
        return to_oneself();
    }
    // S60: whatever proxy there is, nobody asks it. Here it would refuse.
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
        // SAFETY: there is one thread.
        unsafe { std::env::set_var(name, "http://127.0.0.1:1") };
    }
    let stories: [(&str, &[&str], Story); 6] = [
        (
            "s45_to_s50_s60_nginx_is_asked_over_http_whatever_proxy_there_is",
            &["nginx"],
            nginx_http,
        ),
        (
            "s54_nginx_is_asked_over_https_whatever_its_certificate",
            &["nginx", "openssl"],
            nginx_https,
        ),
        ("s62_redis_is_asked_over_tcp", &["redis-server"], redis),
        (
            "s64_the_health_service_of_grpc_is_asked",
            &[GRPC_PYTHON],
            grpc,
        ),
        (
            "s64_the_health_service_of_grpc_is_asked_over_tls",
            &[GRPC_PYTHON, "openssl"],
            grpc_tls,
        ),
        (
            "a_connection_to_oneself_is_none",
            &["unshare", "ip"],
            alone_in_a_network,
        ),
    ];
    let trials = stories.into_iter().map(|(name, needs, story)| {
        Trial::ignorable_test(name, move || {
            match needs.iter().find(|need| !is_there(need)) {
                None => story(&folder(name)).map(|()| Completion::Completed),
                Some(need) if is_ci() => Err(format!("it needs {need} (tests/setup)").into()),
                Some(need) => {
                    eprintln!("PASSED OVER: {name} needs {need} (tests/setup)");
                    Ok(Completion::ignored_with(format!("it needs {need}")))
                }
            }
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// Where `tests/setup` puts grpcio and its health service.
const GRPC_PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/grpc-venv/bin/python");

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // A path of its own stays itself.
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// An empty folder for a story's files.
fn folder(story: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(story);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the build's own folder is writable");
    folder
}

fn free_port() -> Result<u16, Failed> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A server that ends with the story.
struct Server(Child);

impl Server {
    fn start(command: &mut Command, port: u16) -> Result<Server, Failed> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        // SAFETY: one system call with plain numbers.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        let mut server = Server(command.spawn()?);
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = server.0.try_wait()? {
                return Err(format!("the server ended with {status}").into());
            }
            if start.elapsed() > A_WHILE {
                return Err("the server does not listen".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = self.0.id() as i32;
        // SAFETY: plain numbers, and it was not collected yet. SIGTERM, so that nginx takes its workers along.
        unsafe { libc::kill(pid, libc::SIGTERM) };
        let _ = self.0.wait();
    }
}

fn ask(question: NetworkQuestion, timeout: Duration) -> Answer {
    let checks = [Check {
        question,
        timeout: Some(timeout),
        asker: Asker::Probe,
    }];
    let mut probes = Probes::new(&checks);
    probes.ask(AskId(1), CheckId(0), Instant::now());
    let mut polled = Vec::new();
    loop {
        if let Some((_, answer)) = probes.next_answer() {
            return answer;
        }
        polled.clear();
        probes.poll(&mut polled);
        let deadline = probes.deadline().expect("a probe has a timeout");
        let left = deadline
            .saturating_duration_since(Instant::now())
            .as_millis() as i32;
        // SAFETY: the pointer and the count are those of one live vector.
        unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, left + 1) };
        probes.advance(&polled, Instant::now());
    }
}

fn get(tls: bool, host: &str, port: u16, path: &str) -> (Outcome, Cause) {
    let get = HttpGet {
        tls,
        host: host.into(),
        port,
        path: path.into(),
        headers: Vec::new(),
    };
    let answer = ask(NetworkQuestion::Http(get), A_WHILE);
    (answer.outcome, answer.cause)
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), Failed> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what}: {found:?}, not {expected:?}").into()),
    }
}

const FINE: (Outcome, Cause) = (Outcome::Success, Cause::None);

fn nginx(folder: &Path, port: u16, servers: &str) -> Result<Server, Failed> {
    let at = folder.display();
    let conf = format!(
        "worker_processes 1; pid {at}/pid; error_log {at}/error.log; events {{}}\n\
         http {{ access_log {at}/access.log; client_body_temp_path {at}/body; proxy_temp_path {at}/proxy;\n\
         fastcgi_temp_path {at}/fastcgi; uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;\n{servers} }}"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, conf)?;
    let mut command = Command::new("nginx");
    command
        .arg("-p")
        .arg(folder)
        .arg("-c")
        .arg(file)
        .args(["-e", "stderr", "-g", "daemon off;"]);
    Server::start(&mut command, port)
}

fn nginx_http(folder: &Path) -> Result<(), Failed> {
    let port = free_port()?;
    std::fs::write(folder.join("large"), vec![b'a'; 1 << 20])?;
    // Its workers are another user when its master is root.
    std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let servers = format!(
        "server {{ listen 127.0.0.1:{port}; root {};\n\
         location = /ok {{ return 200 \"ok\\n\"; }}\n\
         location = /none {{ return 204; }}\n\
         location = /bad {{ return 503; }}\n\
         location = /away {{ return 302 http://elsewhere.example/; }}\n\
         location = /moved {{ return 301 http://127.0.0.1:{port}/ok; }}\n\
         location = /loop {{ return 302 http://127.0.0.1:{port}/loop; }}\n\
         location = /kept {{ return 304; }}\n\
         location = /agent {{ if ($http_user_agent = 'kube-probe/1.36') {{ return 200; }} return 418; }} }}",
        folder.display()
    );
    let _nginx = nginx(folder, port, &servers)?;
    for (path, expected) in [
        ("/ok", FINE),
        ("/none", FINE),
        ("/agent", FINE),
        ("/moved", FINE),
        ("/bad", (Outcome::Failure, Cause::HttpStatus(503))),
        ("/not there?x", (Outcome::Failure, Cause::HttpStatus(404))),
        ("/not there", (Outcome::Failure, Cause::HttpStatus(404))),
        ("/away", (Outcome::Warning, Cause::Redirect(302))),
        ("/kept", (Outcome::Warning, Cause::Redirect(304))),
        ("/loop", (Outcome::Failure, Cause::RedirectLoop)),
    ] {
        let found = get(false, "127.0.0.1", port, path);
        expect(path, found, expected)?;
    }
    expect("by name", get(false, "localhost", port, "/ok"), FINE)?;
    let large = get(false, "127.0.0.1", port, "/large");
    // Where the folder above is closed to nginx's user, that is what it says.
    if large != (Outcome::Failure, Cause::HttpStatus(403)) {
        expect("/large", large, FINE)?;
    }
    Ok(())
}

/// A certificate of its own making, for a name that nobody has, and its key.
fn certificate(folder: &Path, name: &str, arguments: &[&str]) -> Result<(), Failed> {
    let made = Command::new("openssl")
        .current_dir(folder)
        .args(["req", "-x509", "-nodes", "-subj", "/CN=nobody.example"])
        .args([
            "-keyout",
            &format!("{name}.key"),
            "-out",
            &format!("{name}.crt"),
        ])
        .args(arguments)
        .output()?;
    match made.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&made.stderr).into_owned().into()),
    }
}

/// The same certificate again, but one whose time was over a day before it was made.
fn expired(folder: &Path, from: &str, name: &str) -> Result<(), Failed> {
    std::fs::copy(
        folder.join(format!("{from}.key")),
        folder.join(format!("{name}.key")),
    )?;
    let made = Command::new("openssl")
        .current_dir(folder)
        .args(["x509", "-days", "-1", "-in", &format!("{from}.crt")])
        .args([
            "-signkey",
            &format!("{from}.key"),
            "-out",
            &format!("{name}.crt"),
        ])
        .output()?;
    match made.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&made.stderr).into_owned().into()),
    }
}

fn nginx_https(folder: &Path) -> Result<(), Failed> {
    let elliptic = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    certificate(folder, "elliptic", &elliptic)?;
    certificate(folder, "rsa", &["-newkey", "rsa:2048"])?;
    expired(folder, "elliptic", "expired")?;
    let mut servers = String::new();
    let mut cases = Vec::new();
    for (name, versions) in [
        ("elliptic", "TLSv1.3"),
        ("elliptic", "TLSv1.2"),
        ("rsa", "TLSv1.2"),
        ("rsa", "TLSv1.2 TLSv1.3"),
        ("expired", "TLSv1.3"),
    ] {
        let port = free_port()?;
        servers += &format!(
            "server {{ listen 127.0.0.1:{port} ssl; ssl_protocols {versions}; ssl_certificate {name}.crt;\n\
             ssl_certificate_key {name}.key; location = /ok {{ return 200; }} location = /bad {{ return 500; }} }}\n"
        );
        cases.push((format!("{name} by {versions}"), port));
    }
    let plain = free_port()?;
    servers += &format!("server {{ listen 127.0.0.1:{plain}; location / {{ return 200; }} }}\n");
    let _nginx = nginx(folder, plain, &servers)?;
    if cfg!(not(feature = "https")) {
        return expect(
            "https",
            get(true, "127.0.0.1", plain, "/"),
            (Outcome::Unknown, Cause::NoTls),
        );
    }
    for (what, port) in &cases {
        for host in ["127.0.0.1", "localhost"] {
            expect(what, get(true, host, *port, "/ok"), FINE)?;
        }
        let bad = get(true, "127.0.0.1", *port, "/bad");
        expect(what, bad, (Outcome::Failure, Cause::HttpStatus(500)))?;
        // In plain HTTP to a port for TLS: nginx says 400.
        let plain = get(false, "127.0.0.1", *port, "/ok");
        expect(what, plain, (Outcome::Failure, Cause::HttpStatus(400)))?;
    }
    let to_plain = get(true, "127.0.0.1", plain, "/");
    expect(
        "TLS to a port for plain HTTP",
        to_plain,
        (Outcome::Failure, Cause::Tls),
    )
}

fn redis(folder: &Path) -> Result<(), Failed> {
    let port = free_port()?;
    let mut command = Command::new("redis-server");
    command.current_dir(folder).args([
        "--port",
        &port.to_string(),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
    ]);
    let server = Server::start(&mut command, port)?;
    let tcp = || {
        let host = "127.0.0.1".into();
        let answer = ask(NetworkQuestion::Tcp { host, port }, A_WHILE);
        (answer.outcome, answer.cause)
    };
    expect("redis", tcp(), FINE)?;
    drop(server);
    let refused = (Outcome::Failure, Cause::Connection(libc::ECONNREFUSED));
    expect("redis that has gone", tcp(), refused)
}

/// Serves the health service on one port, and nothing on the other. `slow` never answers in time.
const GRPC_SERVER: &str = r#"
import sys, time, grpc
from concurrent import futures
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

port, bare, folder = sys.argv[1:4]

class Health(health.HealthServicer):
    def Check(self, request, context):
        if request.service == "slow":
            time.sleep(2)
        assert any(pair == ("user-agent", "kube-probe/1.36") for pair in context.invocation_metadata())
        return super().Check(request, context)

def server():
    return grpc.server(futures.ThreadPoolExecutor(max_workers=4))

def listen(server, port):
    if folder == "plain":
        return server.add_insecure_port("127.0.0.1:" + port)
    read = lambda name: open(folder + "/" + name, "rb").read()
    pair = (read("own.key"), read("own.crt"))
    return server.add_secure_port("127.0.0.1:" + port, grpc.ssl_server_credentials([pair]))

well, empty = server(), server()
servicer = Health()
status = health_pb2.HealthCheckResponse
servicer.set("", status.SERVING)
servicer.set("slow", status.SERVING)
servicer.set("db", status.NOT_SERVING)
servicer.set("unknown", status.UNKNOWN)
servicer.set("service_unknown", status.SERVICE_UNKNOWN)
health_pb2_grpc.add_HealthServicer_to_server(servicer, well)
assert listen(empty, bare)
empty.start()
assert listen(well, port)
well.start()
well.wait_for_termination()
"#;

fn check(port: u16, service: &str, tls: bool, timeout: Duration) -> (Outcome, Cause) {
    let question = NetworkQuestion::Grpc {
        host: "127.0.0.1".into(),
        port,
        service: service.into(),
        tls,
    };
    let answer = ask(question, timeout);
    (answer.outcome, answer.cause)
}

fn serve_grpc(folder: &Path, is_plain: bool) -> Result<(Server, u16, u16), Failed> {
    let (port, bare) = (free_port()?, free_port()?);
    let place = if is_plain { Path::new("plain") } else { folder };
    let mut command = Command::new(GRPC_PYTHON);
    command
        .args(["-c", GRPC_SERVER, &port.to_string(), &bare.to_string()])
        .arg(place);
    Ok((Server::start(&mut command, port)?, port, bare))
}

fn grpc(folder: &Path) -> Result<(), Failed> {
    let (server, port, bare) = serve_grpc(folder, true)?;
    let failed = |cause| (Outcome::Failure, cause);
    for (service, expected) in [
        ("", FINE),
        ("db", failed(Cause::GrpcHealth(2))),
        ("unknown", failed(Cause::GrpcHealth(0))),
        ("service_unknown", failed(Cause::GrpcHealth(3))),
        ("not there", failed(Cause::GrpcStatus(5))),
        (&"long".repeat(100), failed(Cause::GrpcStatus(5))),
    ] {
        expect(service, check(port, service, false, A_WHILE), expected)?;
    }
    let unimplemented = failed(Cause::GrpcStatus(12));
    expect(
        "no health service",
        check(bare, "", false, A_WHILE),
        unimplemented,
    )?;
    let slow = check(port, "slow", false, Duration::from_millis(500));
    // The server may be the first to notice, as it is told the deadline.
    if slow != failed(Cause::GrpcStatus(4)) {
        expect("slow", slow, failed(Cause::TimedOut))?;
    }
    drop(server);
    let refused = failed(Cause::Connection(libc::ECONNREFUSED));
    expect("gone", check(port, "", false, A_WHILE), refused)
}

fn grpc_tls(folder: &Path) -> Result<(), Failed> {
    certificate(folder, "own", &["-newkey", "rsa:2048"])?;
    let (_server, port, _) = serve_grpc(folder, false)?;
    if cfg!(not(feature = "https")) {
        return expect(
            "tls",
            check(port, "", true, A_WHILE),
            (Outcome::Unknown, Cause::NoTls),
        );
    }
    expect("serving", check(port, "", true, A_WHILE), FINE)?;
    let not_serving = (Outcome::Failure, Cause::GrpcHealth(2));
    expect("not serving", check(port, "db", true, A_WHILE), not_serving)?;
    let (outcome, _) = check(port, "", false, A_WHILE);
    expect("in the clear", outcome, Outcome::Failure)
}

/// In a network of its own, where clients are given one of two ports, and one of them is what is asked for.
fn alone_in_a_network(_: &Path) -> Result<(), Failed> {
    let setting = "/proc/sys/net/ipv4/ip_local_port_range";
    let script =
        format!("ip link set lo up && echo 40000 40001 >{setting} && exec \"$0\" {TO_ONESELF}");
    let output = Command::new("unshare")
        .args(["--net", "--map-root-user", "--", "sh", "-c", &script])
        .arg(std::env::current_exe()?)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Ok(());
    }
    if said.contains("unshare failed") && !is_ci() {
        eprintln!("PASSED OVER: no network of one's own is to be had: {said}");
        return Ok(());
    }
    Err(format!("{}: {said}", output.status).into())
}

fn to_oneself() -> ExitCode {
    for _ in 0..50 {
        let host = "127.0.0.1".into();
        let answer = ask(NetworkQuestion::Tcp { host, port: 40000 }, A_WHILE);
        if answer.cause != Cause::Connection(libc::ECONNREFUSED) {
            eprintln!("{answer:?}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
