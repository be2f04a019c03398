# Reads the arguments of all processes over and over, as every local user may, and writes down which needle it met where.
#
# arguments.pl DIRECTORY: the file `needles` in it has one needle a line. `met` gets a line "NUMBER ARGUMENTS" for each needle, and
# `polls` a byte for every thousand rounds.
use strict;
use warnings;

my ($own) = @ARGV;
open my $needles, '<', "$own/needles" or die "needles: $!";
chomp(my @needles = <$needles>);
my $alternatives = join '|', map { quotemeta } @needles;
my $pattern = qr/($alternatives)/;
my %number = map { $needles[$_] => $_ } 0 .. $#needles;
my %told;
open my $met, '>>', "$own/met" or die "met: $!";
open my $polls, '>>', "$own/polls" or die "polls: $!";

for (my $round = 1; ; $round++) {
    opendir my $processes, '/proc' or die "/proc: $!";
    for my $process (grep { /^[0-9]/ } readdir $processes) {
        open my $file, '<', "/proc/$process/cmdline" or next;
        sysread $file, my $text, 65536 or next;
        while ($text =~ /$pattern/g) {
            syswrite $met, "$number{$1} " . ($text =~ tr/\0\n/  /r) . "\n" unless $told{$1}++;
        }
    }
    syswrite $polls, '.' if $round % 1000 == 0;
}
