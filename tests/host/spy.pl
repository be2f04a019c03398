# Reads, over and over, everything an unprivileged user may read, and writes down where it met which needle. Behind needles.pl.
#
# `found` gets a line "NUMBER PATH" for each needle met somewhere; `quick` and `walk` get a byte for each round of the two
# processes: one looks where something may lie for a moment only, the other everywhere.
my $largest = 4 * 1024 * 1024;
my @everywhere = qw(/tmp /var /run /dev/shm /etc /home);
my %skipped = map { $_ => 1 } $own, qw(/var/lib/apt /var/lib/dpkg /var/cache);

my $walks = fork // die "fork: $!";
my $found = notes('found');
my $count = notes($walks ? 'quick' : 'walk');

while (1) {
    if ($walks) {
        search($_) for grep { -f } glob('/tmp/{*,.*} /var/tmp/{*,.*} /dev/shm/{*,.*} /var/{*,.*}');
        search($_) for glob('/proc/[0-9]*/cmdline /proc/[0-9]*/environ');
    } else {
        walk($_) for @everywhere;
    }
    syswrite $count, '.';
}

sub walk {
    my ($path) = @_;
    return if $skipped{$path} || -l $path;
    return search($path) if -f _;
    opendir my $directory, $path or return;
    walk("$path/$_") for grep { !/^\.\.?$/ } readdir $directory;
}

sub search {
    my ($path) = @_;
    sysopen my $file, $path, O_RDONLY | O_NONBLOCK or return;
    my $text = '';
    1 while length $text < $largest && sysread $file, $text, 65536, length $text;
    meet($found, $text, $path);
}
