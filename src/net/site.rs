//! What the helper serves: the frame of the life, and who may command. The same for all its clients.

use super::{cgroup, control};
use crate::machine::Command;
use crate::report::route::{self, Page, Route};
use crate::report::view::{Frame, View};
use tiny_http::Method;

/// The site.
#[derive(Clone, Debug)]
pub struct Site {
    /// What stays the same.
    pub frame: Frame,
    /// Monopod's own uid.
    pub uid: u32,
}

/// By which way a client came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The port: for all who reach it, to look.
    Health,
    /// The control socket: to look and to command, by uid.
    Control(Option<u32>),
}

impl Site {
    /// What a request by this door asks; a page, if nothing needs to be known to answer it.
    pub fn understand(&self, door: Door, method: &Method, target: &str) -> Result<Route, Page> {
        match door {
            Door::Health => route::understand(method, target, &self.frame, false),
            Door::Control(uid) if control::may_command(uid, self.uid) => {
                let route = route::understand(method, target, &self.frame, true)?;
                Ok(match route {
                    Route::Command(command @ (Command::Restart(_) | Command::Signal(..))) => {
                        Route::Weigh(command)
                    }
                    route => route,
                })
            }
            Door::Control(uid) => {
                let who = uid.map_or("an unknown uid".to_owned(), |uid| format!("uid {uid}"));
                let own = self.uid;
                let why = format!("refused to {who}: only uid 0 and monopod's own, {own}, may");
                Err(route::error(403, &why))
            }
        }
    }

    /// The answer; no view means that the core did not give one in time.
    pub fn page(&self, route: &Route, view: Option<&View>) -> Page {
        match (route, view) {
            (Route::Command(_), None) => route::perhaps_done(),
            _ => route.page(&self.frame, view, &cgroup::read),
        }
    }

    /// Why nothing would come of a command.
    pub fn objection(&self, command: Command, view: &View) -> Option<Page> {
        route::objection(&self.frame, view, command)
    }

    /// The answer to a command that was heard.
    pub fn done(&self) -> Page {
        route::done()
    }
}
