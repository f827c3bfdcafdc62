// A site in Express that gives every visitor a session: `node express.mjs PORT`.
//
// How a log-in and a log-out treat the session is in the query: `?session=new`, `keep` or `end`.

import express from 'express';
import session from 'express-session';

const app = express();
app.use(express.urlencoded({ extended: false }));
app.use(session({
  name: 'sid',
  secret: 'not a secret',
  resave: false,
  saveUninitialized: true,
  rolling: true,
}));

const form = (res, status) => res.status(status).send('<form method="post">');

app.get('/login', (req, res) => form(res, 200));
app.post('/login', (req, res) => {
  if (req.body.password !== 'right') {
    return req.query.failure === 'back' ? res.redirect('/login?error=1') : form(res, 200);
  }
  const begin = () => {
    req.session.user = req.body.name;
    res.redirect('/');
  };
  if (req.query.session === 'new') {
    req.session.regenerate(begin);
  } else {
    begin();
  }
});
app.post('/logout', (req, res) => {
  const home = () => res.redirect('/');
  switch (req.query.session) {
    case 'new': return req.session.regenerate(home);
    case 'end': return req.session.destroy(() => res.clearCookie('sid') && home());
    default:
      delete req.session.user;
      home();
  }
});
app.get('/', (req, res) => {
  req.session.visits = (req.session.visits ?? 0) + 1;
  res.send(`${req.session.user ?? 'visitor'} ${req.session.visits}`);
});

app.listen(Number(process.argv[2]), '127.0.0.1');
