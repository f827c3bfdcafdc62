<?php
// A site in PHP that gives every visitor a session: `php -S 127.0.0.1:PORT site.php`.
//
// How a log-in and a log-out treat the session is in the query: `?session=new`, `keep` or `end`.

session_save_path(getenv('SESSIONS'));
session_name('sid');
session_start();
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$session = $_GET['session'] ?? 'keep';

function redirect(string $location): void {
    header("Location: $location", true, 302);
    exit;
}

if ($path === '/login') {
    if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
        exit('<form method="post">');
    }
    if (($_POST['password'] ?? '') !== 'right') {
        if (($_GET['failure'] ?? '') === 'back') {
            redirect('/login?error=1');
        }
        exit('<form method="post">');
    }
    if ($session === 'new') {
        session_regenerate_id(true);
        $_SESSION = [];
    }
    $_SESSION['user'] = $_POST['name'];
    redirect('/');
}
if ($path === '/logout') {
    $_SESSION = [];
    if ($session === 'new') {
        session_regenerate_id(true);
    } elseif ($session === 'end') {
        session_destroy();
        setcookie('sid', '', 1, '/');
    }
    redirect('/');
}
$_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1;
echo ($_SESSION['user'] ?? 'visitor') . ' ' . $_SESSION['visits'];
