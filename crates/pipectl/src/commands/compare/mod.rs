//! `pipectl compare`: the same input through several Environments, and whether the results are the same.

mod clean;
mod one_run;
mod run_target;

use pipectl_compare::{Run, Settings, Verdict, judge};

use crate::{
    cli::{CompareArguments, CompareFormat, Global},
    exit::Exit,
    registry::registry,
    stop,
    view::{self, comparison},
};

pub(super) fn run(arguments: &CompareArguments, global: &Global) -> Exit {
    let registry = registry();
    let places = match run_target::places(arguments) {
        Ok(places) => places,
        Err(problem) => {
            view::problem(problem, global);
            return Exit::Wrong;
        }
    };
    // All are checked before the first one runs and makes streams.
    let (mut sets, mut environments) = (Vec::new(), Vec::new());
    for place in &places {
        let (source, compiled) = run_target::compile_for(place, arguments, &registry);
        view::diagnostics(&source, global);
        match compiled {
            Some(compiled) if !source.diagnostics.has_errors() => sets.push(compiled),
            _ => return Exit::Wrong,
        }
        environments.push(source.environment);
    }
    let names = run_target::names(&places, &environments);
    stop::run(None, async |signals| {
        let mut runs: Vec<Vec<Run>> = Vec::new();
        for (name, pipelines) in names.iter().zip(sets) {
            let mut of_place = Vec::new();
            for compiled in pipelines {
                let is_reference = runs.is_empty();
                match one_run::one_run(name, compiled, is_reference, arguments, &registry, signals).await {
                    Ok(run) => of_place.push(run),
                    Err(exit) => return exit,
                }
            }
            runs.push(of_place);
        }
        show(&runs, arguments)
    })
}

fn show(runs: &[Vec<Run>], arguments: &CompareArguments) -> Exit {
    let settings = Settings { tolerance: arguments.tolerance, examples: arguments.rows };
    let mut judged: Vec<(&Run, Vec<(&Run, Verdict)>)> = Vec::new();
    let [reference, others @ ..] = runs else { return Exit::Fine };
    for (index, reference) in reference.iter().enumerate() {
        let of_pipeline = others.iter().filter_map(|runs| runs.get(index));
        judged.push((reference, of_pipeline.map(|run| (run, judge(reference, run, settings))).collect()));
    }
    let text = match arguments.format {
        CompareFormat::Text => comparison::text(&judged),
        CompareFormat::Json => comparison::json(&judged),
        CompareFormat::Junit => comparison::junit(&judged),
        CompareFormat::Markdown => comparison::markdown(&judged),
    };
    let shown = view::print(&text);
    let equal = judged.iter().all(|(_, verdicts)| verdicts.iter().all(|(_, verdict)| verdict.is_equal()));
    match shown {
        Exit::Fine if equal => Exit::Fine,
        Exit::Fine => Exit::Different,
        other => other,
    }
}
