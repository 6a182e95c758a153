//! Measures the release binary of pipectl on whole jobs, start-up included, beside batch engines that do the same work
//! on the same file in the same run. There is nothing to pass or fail but one thing: all must give the same rows.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool of the terminal")]
#![allow(clippy::disallowed_methods, reason = "it measures the real clock and starts real processes, on purpose")]

mod agree;
mod arguments;
mod generate;
mod measure;
mod passthrough;
mod peers;
mod table;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use crate::{
    arguments::{Arguments, HELP, Verb},
    measure::Sample,
    peers::Peer,
    table::Row,
};

fn main() -> ExitCode {
    let outcome = Arguments::read(std::env::args().skip(1)).and_then(|arguments| match arguments.verb {
        Verb::Help => {
            print!("{HELP}");
            Ok(())
        }
        Verb::Generate => input(&arguments).map(|file| println!("{}", file.display())),
        Verb::Run => run(&arguments),
        Verb::Passthrough => pass(&arguments),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The generated input; it is made once for each size.
fn input(arguments: &Arguments) -> Result<PathBuf, String> {
    let file = arguments.cache.join(generate::name(arguments.lines()));
    if !file.exists() {
        eprintln!("generating {} records into {}", arguments.lines(), file.display());
        generate::write(&file, arguments.lines()).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(file)
}

/// Builds the binary, and finds it beside this one.
fn pipectl(arguments: &Arguments, features: &[&str]) -> Result<PathBuf, String> {
    if let Some(binary) = &arguments.binary {
        return Ok(binary.clone());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "--locked", "--package", "pipectl"])
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    if !built.success() {
        return Err("the release binary does not build".to_owned());
    }
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = here.parent().and_then(Path::parent).unwrap_or(&here);
    Ok(target.join("release/pipectl"))
}

fn pass(arguments: &Arguments) -> Result<(), String> {
    let binary = pipectl(arguments, &["--features", &arguments.backends.join(",")])?;
    fs::create_dir_all(&arguments.cache).map_err(|error| format!("{}: {error}", arguments.cache.display()))?;
    passthrough::run(&binary, &arguments.cache, &arguments.backends, arguments.records, arguments.runs)
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let binary = pipectl(arguments, &[])?;
    let input = input(arguments)?;
    let peers = peers::install(&arguments.peers, &arguments.tools);
    warm(&input).map_err(|error| format!("{}: {error}", input.display()))?;
    println!(
        "{} records, {:.0} MB, warm page cache; {} cores; medians of {} alternating runs\n",
        arguments.lines(),
        fs::metadata(&input).map_or(0, |metadata| metadata.len()) as f64 / 1e6,
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        arguments.runs,
    );
    for job in &arguments.jobs {
        let rows = measure_job(job, &binary, &input, &peers, arguments)?;
        println!("{}", table::markdown(job, arguments.lines(), &rows));
    }
    Ok(())
}

/// Every system in turn, again and again, so that what else the machine does hits all of them alike.
fn measure_job(
    job: &str,
    binary: &Path,
    input: &Path,
    peers: &[Peer],
    arguments: &Arguments,
) -> Result<Vec<Row>, String> {
    let out = arguments.cache.join("out");
    fs::create_dir_all(&out).map_err(|error| format!("{}: {error}", out.display()))?;
    let output = |system: &str| out.join(format!("{job}-{system}.jsonl"));
    let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("{job}.yaml"));
    let mut rows = vec![Row::new("pipectl")];
    rows.extend(peers.iter().filter(|_| job != "raw").map(|peer| Row::new(&peer.label())));
    for _ in 0..arguments.runs {
        for (number, row) in rows.iter_mut().enumerate() {
            let peer = number.checked_sub(1).and_then(|peer| peers.get(peer));
            let mut command = match peer {
                Some(peer) => peer.command(job, input, &output(&peer.name)),
                None => apply(binary, &spec, &out, input, &output("pipectl")),
            };
            row.samples.push(Sample::of(&mut command)?);
        }
    }
    if job == "raw" {
        let copy = output("pipectl");
        let length = |file: &Path| fs::metadata(file).map_or(0, |metadata| metadata.len());
        if length(&copy) != length(input) {
            return Err("raw: the copy has another length than the input".to_owned());
        }
        return Ok(rows);
    }
    let mine = agree::Answer::read(job, &output("pipectl"))?;
    for peer in peers {
        mine.check(&agree::Answer::read(job, &output(&peer.name))?)
            .map_err(|error| format!("{job}: pipectl and {}: {error}", peer.name))?;
    }
    let judges: Vec<&str> = peers.iter().map(|peer| peer.name.as_str()).collect();
    eprintln!("{job}: {} rows; the same from: pipectl {}", mine.rows(), judges.join(" "));
    Ok(rows)
}

fn apply(binary: &Path, spec: &Path, folder: &Path, input: &Path, output: &Path) -> Command {
    let mut command = Command::new(binary);
    command.arg("apply").arg(spec).arg("--fresh").arg("--state").arg(folder.join("state"));
    command.env("INPUT", input).env("OUTPUT", output);
    command
}

/// Reads the input once, so that no system finds it colder than another.
fn warm(input: &Path) -> std::io::Result<()> {
    let mut file = fs::File::open(input)?;
    std::io::copy(&mut file, &mut std::io::sink()).map(drop)
}
