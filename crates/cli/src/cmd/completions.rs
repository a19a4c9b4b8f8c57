//! `cidlake completions`: a script that completes this program's options in a shell.

use cidlake::Error;
use clap_complete::Shell;

use crate::args;
use crate::output::print;

/// Print the completion script of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake completions bash > ~/.local/share/bash-completion/completions/cidlake
  cidlake completions zsh > ~/.zfunc/_cidlake
  cidlake completions fish > ~/.config/fish/completions/cidlake.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), "cidlake", &mut script);
    print(&script)
}
