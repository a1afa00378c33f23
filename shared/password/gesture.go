package password

import "strings"

// gestureMin is the least number of joined points: 认证方式基本要求 d）1） asks for 4, 增强身份认证机制 b）1）
// for 5 (AUTH-026).
const gestureMin = 5

func gestureRules() []Rule {
	rule := func(name string, figure int, chinese, english string, broken func(points string) bool) Rule {
		return Rule{
			GestureField, name, figure, figured(chinese, figure), figured(english, figure),
			func(p New) bool { return broken(p.Gesture) },
		}
	}
	return []Rule{
		rule("too_short", gestureMin, "至少连接%d个点", "Join at least %d points", func(points string) bool { return len(points) < gestureMin }),
		rule("no_point", 0, "只能使用1至9号点", "Use the points 1 to 9 only",
			func(points string) bool { return strings.Trim(points, "123456789") != "" }),
		rule("point_twice", 0, "每个点只能经过一次", "Pass each point once", repeatsPoint),
		rule("not_joined", 0, "连线不能跳过未经过的点", "Do not jump over a point that you have not passed", jumps),
	}
}

func repeatsPoint(points string) bool {
	for i := range len(points) {
		if strings.IndexByte(points, points[i]) < i {
			return true
		}
	}
	return false
}

// jumps reports whether a line of the gesture goes over a point that the gesture has not passed
// before. The pad joins such a point by itself, so no hand draws this gesture.
func jumps(points string) bool {
	for i := 1; i < len(points); i++ {
		over, exists := between(points[i-1], points[i])
		if exists && strings.IndexByte(points[:i], over) < 0 {
			return true
		}
	}
	return false
}

// between is the point in the middle of the line from one point to another.
func between(from, to byte) (over byte, exists bool) {
	a, b := int(from)-'1', int(to)-'1'
	if a < 0 || a > 8 || b < 0 || b > 8 || a == b {
		return 0, false
	}
	row, column := a/3+b/3, a%3+b%3
	if row%2 != 0 || column%2 != 0 {
		return 0, false
	}
	return byte('1' + row/2*3 + column/2), true
}
