# The beginning of spy.pl and arguments.pl, which get a directory: its file `needles` has one needle a line.
use strict;
use warnings;
use Fcntl;

my ($own) = @ARGV;
my %told;

sub notes {
    my ($name) = @_;
    sysopen my $file, "$own/$name", O_WRONLY | O_APPEND | O_CREAT or die "$name: $!";
    return $file;
}

open my $needles, '<', "$own/needles" or die "needles: $!";
chomp(my @needles = <$needles>);
my $alternatives = join '|', map { quotemeta } @needles;
my $pattern = qr/($alternatives)/;
my %number = map { $needles[$_] => $_ } 0 .. $#needles;

# Writes a line "NUMBER PLACE" for each needle in a text, once for each place.
sub meet {
    my ($file, $text, $place) = @_;
    while ($text =~ /$pattern/g) {
        syswrite $file, "$number{$1} $place\n" unless $told{"$1 $place"}++;
    }
}

