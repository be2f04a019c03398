#!/usr/bin/perl
# Runs a program and shows its output without secrets, each line with a level of syslog for the journal: <5> for what the program
# says itself, <6> for what its commands say. The program begins its own lines with the word in MARK.
#
# Hidden are the variables that BUILD_SECRETS names, and the file deploy_key among systemd's credentials: the whole value, and
# each of its lines with 8 characters or more, also as Elixir shows them in a string, and as a URL or HTTP basic authentication
# encodes them.
#
# Arguments: program and its arguments. The exit status is the program's, and 1 if it says more than the journal takes.
use strict;
use warnings;
use IO::Select;
use POSIX qw(:sys_wait_h);

my $shortest = 8;
# A line without an end is shown in parts, so that memory has a limit.
my $longest = 65536;
# Bytes that are shown: the journal is that of all applications, and its oldest lines go for new ones.
my $most = 32 * 1024 * 1024;
my $shown = 0;

sub in_url { my ($text) = @_; $text =~ s/([^A-Za-z0-9_.~-])/sprintf("%%%02X", ord $1)/ge; return $text }
sub in_string { my ($text) = @_; $text =~ s/(["\\])/\\$1/g; $text =~ s/#\{/\\#{/g; $text =~ s/\t/\\t/g; return $text }

# The characters of base64 that a text decides alone, for each of its three places in a group. MIME::Base64 is not in perl-base.
my @digits = ('A' .. 'Z', 'a' .. 'z', '0' .. '9', '+', '/');
sub in_base64 {
    my $bits = unpack 'B*', $_[0];
    return map { join '', map { $digits[oct "0b$_"] } substr($bits, $_) =~ /(.{6})/g } 0, 4, 2;
}

my (%hidden, $key);
if (defined $ENV{CREDENTIALS_DIRECTORY} && open my $file, '<', "$ENV{CREDENTIALS_DIRECTORY}/deploy_key") {
    local $/ = undef;
    $key = <$file>;
}
for my $value ((map { $ENV{$_} } split ' ', $ENV{BUILD_SECRETS} // ''), $key) {
    next unless defined $value;
    for my $line (split /[\r\n]+/, $value) {
        # The first and the last line of a key are no secret.
        next if length $line < $shortest || $line =~ /^-----(BEGIN|END) /;
        $hidden{$_} = 1 for $line, in_url($line), in_string($line), in_base64($line);
    }
}
my @hidden = sort { length $b <=> length $a } grep { length >= $shortest } keys %hidden;
my $pattern = join '|', map { quotemeta } @hidden;
my $kept = @hidden ? length $hidden[0] : 0;

$ENV{MARK} = sprintf '%08x%08x:', rand 2**32, rand 2**32;
$| = 1;

sub hide { $_[0] =~ s/$pattern/[secret]/g if $pattern }

sub lines {
    my ($text) = @_;
    hide($text);
    return join '', map { (s/^\Q$ENV{MARK}\E// ? '<5>' : '<6>') . "$_\n" } split /\n/, $text, -1;
}

sub show {
    my $text = lines($_[0]);
    return if $shown > $most;
    $shown += length $text;
    print $shown > $most ? "<5>FAILED: the build says more than 32 MiB, and the rest is left out: have it say less\n" : $text;
}

pipe my $output, my $input or die "pipe: $!\n";
my $child = fork // die "fork: $!\n";
if (!$child) {
    close $output;
    open STDOUT, '>&', $input or die "stdout: $!\n";
    open STDERR, '>&', $input or die "stderr: $!\n";
    close $input;
    exec { $ARGV[0] } @ARGV or die "$ARGV[0]: $!\n";
}
close $input;

# A program that the build left behind may hold the output open, so its end is not waited for.
my $select = IO::Select->new($output);
my ($rest, $status) = ('');
while (1) {
    my $ready = $select->can_read(defined $status ? 0 : 0.2);
    if ($ready) {
        my $read = sysread $output, $rest, 65536, length $rest;
        last if defined $read && !$read;
        my $end = 1 + rindex $rest, "\n";
        show(substr $rest, 0, $end - 1) if $end;
        substr($rest, 0, $end) = '';
        if (length $rest > $longest + $kept) {
            hide($rest);
            show(substr $rest, 0, -$kept || length $rest, '');
        }
    } elsif (defined $status) {
        last;
    }
    $status = $? if !defined $status && waitpid($child, WNOHANG) == $child;
}
show($rest) if length $rest;
if (!defined $status) {
    waitpid $child, 0;
    $status = $?;
}
exit 1 if $shown > $most;
exit(WIFEXITED($status) ? WEXITSTATUS($status) : 128 + WTERMSIG($status));
