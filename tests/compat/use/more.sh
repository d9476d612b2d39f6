# What programs that find files by their paths, as many examples do, can not do all of.
# It prints the same wherever the program runs as it should; $1 is the folder, empty, and is so again at the end.
set -e
exec 2>&1
cd "$1"

echo "-- a folder that moves while what is in it is known"
mkdir -p d/e
echo one >d/e/f
mv d renamed
cat renamed/e/f
mkdir other
mv renamed other
cat other/renamed/e/f
rm -r other

echo "-- open more than once, and removed"
exec 3>held 4<held
echo kept >&3
rm held
cat <&4
test -e held || echo gone
echo more >&3
cat <&4
exec 3>&- 4>&-

echo "-- the end"
ls -A
