//! What is wrong with the options of `simulate`, all of it at once.

use pipectl_data::timestamp;
use pipectl_diag::{
    Diagnostic, Diagnostics, Path,
    codes::options::{INVALID_OPTION, OPTION_NOT_FOR_THIS},
};
use pipectl_host::Micros;

use crate::options::{Model, SimulateOptions};

/// Above this, a microsecond would have to hold several records.
const MAX_RATE: f64 = 1e9;

/// The time of the first record, where the options give one that can be read.
pub(crate) fn start(options: &SimulateOptions) -> Option<Micros> {
    options.start.as_deref().and_then(timestamp::parse)
}

/// All problems.
pub(crate) fn problems(options: &SimulateOptions) -> Diagnostics {
    let mut found = Diagnostics::new();
    strangers(options, &mut found);
    if !(options.rate.0 > 0.0 && options.rate.0 <= MAX_RATE) {
        let problem = Diagnostic::error(INVALID_OPTION, "`rate` must be above 0 and at most 1000000000/s");
        found.push(problem.at(&Path::keys(["rate"]), "").help("write for example `rate: 20/s` or `rate: 1/m`"));
    }
    for (key, fraction) in
        [("late", Some(options.late)), ("malformed", Some(options.malformed)), ("anomalies", options.anomalies)]
    {
        if fraction.is_some_and(|fraction| !(0.0..=1.0).contains(&fraction)) {
            let problem =
                Diagnostic::error(INVALID_OPTION, format!("`{key}` is a fraction: it must be between 0 and 1"));
            found.push(
                problem.at(&Path::keys([key]), "").help(format!("write `{key}: 0.01` for one record in a hundred")),
            );
        }
    }
    if let Some(text) = options.start.as_deref().filter(|text| timestamp::parse(text).is_none()) {
        let problem = Diagnostic::error(INVALID_OPTION, format!("`{text}` is not a timestamp"));
        found.push(problem.at(&Path::keys(["start"]), "").help("write it as in `2026-01-31T08:00:00Z`"));
    }
    counts(options, &mut found);
    found
}

/// Options of other models.
fn strangers(options: &SimulateOptions, found: &mut Diagnostics) {
    let given = [
        ("devices", options.devices.is_some(), Model::Sensors),
        ("users", options.users.is_some(), Model::Clickstream),
        ("clients", options.clients.is_some(), Model::ServerLogs),
        ("products", options.products.is_some(), Model::Orders),
        ("anomalies", options.anomalies.is_some(), Model::Sensors),
    ];
    for (key, given, model) in given {
        if given && options.model != model {
            let title = format!("`{key}` is an option of model `{}`, not of `{}`", model.name(), options.model.name());
            let help = match (key, key_name(options.model)) {
                ("anomalies", _) => "remove it".to_owned(),
                (_, name) => format!("remove it, or write `{name}`, which `{}` has", options.model.name()),
            };
            let problem = Diagnostic::error(OPTION_NOT_FOR_THIS, title).at_key(&Path::keys([key]), "").help(help);
            found.push(problem.related(
                pipectl_diag::Place::Node(Path::keys(["model"]), pipectl_diag::Part::Value),
                "the model is given here",
            ));
        }
    }
}

fn counts(options: &SimulateOptions, found: &mut Diagnostics) {
    let name = key_name(options.model);
    let keys = options.keys();
    let most = if options.model == Model::Orders { 100_000 } else { 1_000_000 };
    if keys == 0 || keys > most {
        let problem = Diagnostic::error(INVALID_OPTION, format!("`{name}` must be between 1 and {most}"));
        found.push(problem.at(&Path::keys([name]), ""));
    }
    if options.partitions == 0 || options.partitions > 1024 {
        let problem = Diagnostic::error(INVALID_OPTION, "`partitions` must be between 1 and 1024");
        found.push(problem.at(&Path::keys(["partitions"]), ""));
    } else if options.partitions > keys && keys > 0 {
        let title = format!("{} partitions cannot share {keys} {name}", options.partitions);
        let help = format!("write at most `partitions: {keys}`, or more {name}");
        found.push(Diagnostic::error(INVALID_OPTION, title).at(&Path::keys(["partitions"]), "").help(help));
    }
}

/// The option that says how many keys a model has.
fn key_name(model: Model) -> &'static str {
    match model {
        Model::Sensors => "devices",
        Model::Clickstream => "users",
        Model::ServerLogs => "clients",
        Model::Orders => "products",
    }
}
