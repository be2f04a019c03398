#!/usr/bin/perl
# Makes words of an Erlang VM readable: standard input to standard output, line by line as it comes.
#
# + Binaries and lists of numbers become text: <<101,110>> is "en". Exceptions become their message, and stack traces [...].
# + Lines that differ in times, process ids and durations alone are folded: "... 7 more like this".
# + Control characters and whatever else could steer a terminal or reorder a line are left out.
# + The input may be anything: an endless line is cut, and invalid UTF-8 shows as U+FFFD.
use strict;
use warnings;
no warnings 'utf8';

# Bytes of a line that are looked at, characters that are shown, terms that are looked for in a line.
my ($LONGEST, $SHOWN, $TERMS) = (65_536, 2_000, 20);
# Lines in a group that may repeat, such as two lines for each request.
my $GROUP = 4;

$| = 1;
binmode STDIN;
binmode STDOUT, ':utf8';

# --- Text ------------------------------------------------------------------------------------------------------------

# The characters of these bytes. Perl alone would also take surrogates, and numbers beyond Unicode.
sub characters {
    my ($bytes) = @_;
    my $text = '';
    while ($bytes =~ /\G(?:([\x00-\x7f]+|(?:[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|\xed[\x80-\x9f][\x80-\xbf]
        |[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}
        |\xf4[\x80-\x8f][\x80-\xbf]{2})+)|(.))/xgs) {
        my $valid = $1;
        if (defined $valid) { utf8::decode($valid); $text .= $valid }
        else { $text .= "\x{fffd}" }
    }
    return $text;
}

# Leaves out sequences that steer a terminal, control characters, and invisible characters that reorder or hide text.
sub harmless {
    my ($text) = @_;
    $text =~ s/\e\[[0-?]*[ -\/]*[@-~]|\e[\]PX^_][^\a\e]*(?:\a|\e\\|$)|\e[ -\/]*[0-~]//g;
    $text =~ s/[\t\n\r\x0b\x0c\x85\x{2028}\x{2029}]/ /g;
    $text =~ s/[\x00-\x1f\x7f-\x9f\xad\x{061c}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{206f}\x{feff}\x{e0000}-\x{e007f}]//g;
    return $text;
}

# --- Erlang terms ----------------------------------------------------------------------------------------------------

# The text of a binary or list of numbers, as a string of Erlang's, or undef when it is no text.
# A line that was cut off may have cut its last number and its last character.
sub string_of {
    my ($numbers, $whole) = @_;
    $numbers =~ s/(?:^|,)[0-9]*$// unless $whole;
    my @bytes = grep { length } split /,/, $numbers;
    return if !@bytes || grep { $_ > 255 } @bytes;
    my $bytes = join '', map { chr } @bytes;
    $bytes =~ s/[\xc2-\xf4][\x80-\xbf]*$// if !$whole && $bytes =~ /[\x80-\xff]$/;
    my $text = characters($bytes);
    # What the application meant as numbers stays numbers.
    return if $text =~ /[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x9f\x{fffd}]/;
    $text = harmless($text);
    $text =~ s/\s+/ /g;
    $text =~ s/ $//;
    $text =~ s/(["\\])/\\$1/g;
    return '"' . $text . ($whole ? '' : '...') . '"';
}

# Where the term that begins at this place ends: behind the bracket that closes it, or at the end of the line.
sub end_of {
    my ($line, $begin) = @_;
    my $depth = 0;
    pos($line) = $begin;
    while ($line =~ /\G(?:\\?"[^"\\]*(?:\\[^"][^"\\]*)*\\?"|'[^'\\]*(?:\\.[^'\\]*)*'|([\[{(])|([\]})])|.)/gs) {
        $depth++ if defined $1;
        return pos $line if defined $2 && --$depth <= 0;
    }
    return length $line;
}

# Replaces each term whose beginning matches by what the function makes of it; undef leaves it.
sub replace_terms {
    my ($line, $beginning, $make) = @_;
    my $from = 0;
    for (1 .. $TERMS) {
        pos($line) = $from;
        last unless $line =~ /$beginning/g;
        my $begin = $-[0];
        my $length = end_of($line, $begin) - $begin;
        my $made = $make->(substr $line, $begin, $length);
        substr($line, $begin, $length) = $made if defined $made;
        $from = $begin + (defined $made ? length $made : 2);
    }
    return $line;
}

# The message of an exception, with its module.
sub exception {
    my ($map) = @_;
    my ($message) = $map =~ /\bmessage\s*=>\s*"([^"\\]*(?:\\.[^"\\]*)*)"/ or return;
    my ($module) = $map =~ /__struct__'?\s*=>\s*'?([\w.]+)/;
    $message =~ s/\\(.)/$1/g;
    # Marks that no input has: control characters are left out of it.
    return "\x01** (" . ($module // 'error') . ") $message\x02";
}

# A line whose exceptions are marked. Of the term around the first one only the words before it say something.
sub without_term {
    my ($line) = @_;
    my ($before, $exception) = $line =~ /^([^\x01]*)\x01([^\x02]*)\x02/ or return $line;
    my @open;
    while ($before =~ /([\[{(])|([\]})])/g) {
        if (defined $1) { push @open, $-[0] }
        else { pop @open }
    }
    return $line =~ tr/\x01\x02//dr unless @open;
    my ($words) = substr($before, $open[0]) =~ /^\{"([^"{]*)",/;
    $before = substr($before, 0, $open[0]) . ($words // '');
    $before =~ s/[\s:]*$//;
    return length $before ? "$before: $exception" : $exception;
}

sub decoded {
    my ($line) = @_;
    $line =~ s/<<([0-9]{1,3}(?:,\s?[0-9]{1,3})*,?(?:\.\.\.)?)(>>|$)/string_of($1 =~ s![\s.]!!gr, $2 ne '') \/\/ $&/ge;
    $line =~ s/\[([0-9]{2,3}(?:,[0-9]{1,3}){3,})\]/string_of($1, 1) \/\/ $&/ge;
    $line =~ s/<<"([^"\\]*(?:\\.[^"\\]*)*)"(?:\/utf8)?>>/"$1"/g;
    $line =~ s/<<\\"([^"\\]*(?:\\[^"][^"\\]*)*)\\"(?:\/utf8)?>>/"$1"/g;
    $line =~ s/'?\bElixir\.([\w.]+)'?/$1/g;
    $line = replace_terms($line, qr/#\{/, \&exception);
    $line = replace_terms($line, qr/\[\{'?[\w.]+'?,'?[^',\s]+'?,[0-9]+,\[/, sub { '[...]' });
    return without_term($line);
}

# --- Folding ---------------------------------------------------------------------------------------------------------

# What two lines have in common that differ in times, ids and durations alone.
sub likeness {
    my ($line) = @_;
    $line =~ s/[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]?|(?:[0-9]{2}:){2}[0-9]{2}(?:[.,][0-9]+)?Z?/T/g;
    $line =~ s/^[A-Z][a-z]{2} [ 0-9][0-9] T/T/;
    $line =~ s/<[0-9]+(?:\.[0-9]+)+>|(?<=[a-z])\[[0-9]+\](?=:)/P/g;
    # A connection of a pool has a name as well: (#PID<0.1.0> ("db_conn_1")).
    $line =~ s/(?<=P) \("\w+"\)//g;
    $line =~ s/\brequest_id=\S+|\b(?=[a-z]*[0-9])[0-9a-f]{8,}(?:-[0-9a-f]{4,})*\b(?<![0-9]{14})/I/g;
    $line =~ s/[0-9]+(?:\.[0-9]+)?\s?(?:\x{b5}s|us|ms|s)\b/D/g;
    return $line;
}

# The last lines shown: each with its likeness. While a group of them repeats: its length, the lines of the first
# repetition, those of one that has just begun, and how many there were.
my (@shown, $period, @first, @begun, $repeats);

sub show { print "$_[0]\n"; push @shown, $_[1]; shift @shown if @shown > $GROUP }

sub settle {
    return unless $period;
    my ($size, @late) = ($period, @begun);
    $period = 0;
    if ($repeats > 1) {
        print $size == 1 ? "... $repeats more like this\n" : "... $repeats more like these $size lines\n";
    } else {
        show(@$_) for $repeats ? @first : ();
    }
    show(@$_) for @late;
}

sub fold {
    my ($line) = @_;
    my $like = likeness($line);
    if ($period && $like ne $shown[@shown - $period + @begun]) { settle() }
    unless ($period) {
        my ($back) = grep { $shown[-$_] eq $like } 1 .. @shown;
        return show($line, $like) unless $back;
        ($period, $repeats) = ($back, 0);
        @begun = @first = ();
    }
    push @begun, [$line, $like];
    return if @begun < $period;
    @first = @begun unless $repeats++;
    @begun = ();
}

# --- Lines -----------------------------------------------------------------------------------------------------------

sub line {
    my ($bytes, $cut) = @_;
    # Half a character at the cut would show as one that is invalid.
    $bytes =~ s/[\xc2-\xf4][\x80-\xbf]{0,2}$// if $cut;
    my $line = decoded(harmless(characters($bytes)));
    $line =~ s/\s+$//;
    $line = substr($line, 0, $SHOWN) . '...' if length $line > $SHOWN;
    # An empty line, also one of the journal.
    fold($line) unless $line =~ /^(?:[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} \S+:)?$/;
}

my ($pending, $cut) = ('', 0);
while (sysread STDIN, my $piece, $LONGEST) {
    while ($piece =~ /\G([^\n]*)(\n?)/g) {
        my $room = $LONGEST - length $pending;
        $cut ||= length $1 > $room;
        $pending .= substr $1, 0, $room;
        next unless $2;
        line($pending, $cut);
        ($pending, $cut) = ('', 0);
    }
}
line($pending, $cut) if length $pending;
settle();
