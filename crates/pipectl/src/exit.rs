//! What the exit codes mean.

/// An exit code. Documented in `pipectl help` and the README.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: all is well; a run that was asked to stop and drained is well too.
    Fine,
    /// 1: the spec or the arguments are wrong.
    Wrong,
    /// 2: the answer is "different" (`compare`, `plan`).
    Different,
    /// 3: the run failed, or could not drain in time.
    Failed,
    /// 4: an outside system is unreachable or refuses.
    Outside,
    /// 130: interrupted before it could drain.
    Interrupted,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Wrong => 1,
            Self::Different => 2,
            Self::Failed => 3,
            Self::Outside => 4,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
