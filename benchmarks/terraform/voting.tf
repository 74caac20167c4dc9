# The voting stack as deploy.yaml describes it, written by hand for Terraform's AWS provider: the same objects, with the
# same settings, as `deployer up` makes. `python -m benchmarks.compare` runs both against the same simulated AWS.

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.90"
    }
  }
}

variable "web_image" {
  type = string
}

variable "redis_image" {
  type = string
}

variable "redis_password" {
  type      = string
  sensitive = true
  ephemeral = true
}

provider "aws" {
  default_tags {
    tags = {
      stack      = "voting"
      managed-by = "terraform"
    }
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name

  tasks_trust = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:${local.region}:${local.account}:*" }
      }
    }]
  })
}

# --- network ---

resource "aws_vpc" "main" {
  cidr_block           = "10.0.0.0/16"
  enable_dns_hostnames = true
  tags                 = { Name = "voting" }
}

resource "aws_default_security_group" "main" {
  vpc_id = aws_vpc.main.id
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
  tags   = { Name = "voting" }
}

resource "aws_subnet" "public_a" {
  vpc_id            = aws_vpc.main.id
  cidr_block        = "10.0.0.0/20"
  availability_zone = "${local.region}a"
  tags              = { Name = "voting public a" }
}

resource "aws_subnet" "public_b" {
  vpc_id            = aws_vpc.main.id
  cidr_block        = "10.0.16.0/20"
  availability_zone = "${local.region}b"
  tags              = { Name = "voting public b" }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.main.id
  tags   = { Name = "voting public" }
}

resource "aws_route" "public_out" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.main.id
}

resource "aws_route_table_association" "public_a" {
  route_table_id = aws_route_table.public.id
  subnet_id      = aws_subnet.public_a.id
}

resource "aws_route_table_association" "public_b" {
  route_table_id = aws_route_table.public.id
  subnet_id      = aws_subnet.public_b.id
}

resource "aws_cloudwatch_log_group" "flow_log" {
  name              = "/voting/flow_log"
  retention_in_days = 30
}

resource "aws_iam_role" "flow_log" {
  name        = "voting-flow-log"
  path        = "/voting/"
  description = "Lets VPC flow logs of voting write their log group"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "vpc-flow-logs.amazonaws.com" }
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ec2:${local.region}:${local.account}:vpc-flow-log/*" }
      }
    }]
  })
}

resource "aws_iam_role_policy" "flow_log" {
  role = aws_iam_role.flow_log.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
        Resource = [aws_cloudwatch_log_group.flow_log.arn, "${aws_cloudwatch_log_group.flow_log.arn}:*"]
      },
      {
        Effect   = "Allow"
        Action   = ["logs:DescribeLogGroups"]
        Resource = "*"
      },
    ]
  })
}

resource "aws_flow_log" "main" {
  vpc_id          = aws_vpc.main.id
  traffic_type    = "REJECT"
  log_destination = aws_cloudwatch_log_group.flow_log.arn
  iam_role_arn    = aws_iam_role.flow_log.arn
}

# --- security groups ---

resource "aws_security_group" "web_lb" {
  name        = "voting-web-lb"
  description = "Load balancer of voting web"
  vpc_id      = aws_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "web_lb_from_internet" {
  security_group_id = aws_security_group.web_lb.id
  description       = "from the internet"
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "web_lb_to_web" {
  security_group_id            = aws_security_group.web_lb.id
  description                  = "to web"
  ip_protocol                  = "tcp"
  from_port                    = 8080
  to_port                      = 8080
  referenced_security_group_id = aws_security_group.web.id
}

resource "aws_security_group" "web" {
  name        = "voting-web"
  description = "Tasks of voting web"
  vpc_id      = aws_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "web_from_lb" {
  security_group_id            = aws_security_group.web.id
  description                  = "from its load balancer"
  ip_protocol                  = "tcp"
  from_port                    = 8080
  to_port                      = 8080
  referenced_security_group_id = aws_security_group.web_lb.id
}

resource "aws_vpc_security_group_egress_rule" "web_to_internet" {
  security_group_id = aws_security_group.web.id
  description       = "to the internet and AWS"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "web_to_redis_lb" {
  security_group_id            = aws_security_group.web.id
  description                  = "to the load balancer of redis"
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
  referenced_security_group_id = aws_security_group.redis_lb.id
}

resource "aws_vpc_security_group_egress_rule" "web_to_redis" {
  security_group_id            = aws_security_group.web.id
  description                  = "to redis"
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
  referenced_security_group_id = aws_security_group.redis.id
}

resource "aws_security_group" "redis_lb" {
  name        = "voting-redis-lb"
  description = "Load balancer of voting redis"
  vpc_id      = aws_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "redis_lb_from_web" {
  security_group_id            = aws_security_group.redis_lb.id
  description                  = "from web"
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
  referenced_security_group_id = aws_security_group.web.id
}

resource "aws_vpc_security_group_egress_rule" "redis_lb_to_redis" {
  security_group_id            = aws_security_group.redis_lb.id
  description                  = "to redis"
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
  referenced_security_group_id = aws_security_group.redis.id
}

resource "aws_security_group" "redis" {
  name        = "voting-redis"
  description = "Tasks of voting redis"
  vpc_id      = aws_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "redis_from_lb" {
  security_group_id            = aws_security_group.redis.id
  description                  = "from its load balancer"
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
  referenced_security_group_id = aws_security_group.redis_lb.id
}

resource "aws_vpc_security_group_ingress_rule" "redis_from_web" {
  security_group_id            = aws_security_group.redis.id
  description                  = "from web"
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
  referenced_security_group_id = aws_security_group.web.id
}

resource "aws_vpc_security_group_egress_rule" "redis_to_internet" {
  security_group_id = aws_security_group.redis.id
  description       = "to the internet and AWS"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

# --- the secret and the cluster ---

resource "aws_secretsmanager_secret" "redis_password" {
  name                    = "voting/redis-password"
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "redis_password" {
  secret_id                = aws_secretsmanager_secret.redis_password.id
  secret_string_wo         = var.redis_password
  secret_string_wo_version = 1
}

resource "aws_cloudwatch_log_group" "insights" {
  name              = "/aws/ecs/containerinsights/voting/performance"
  retention_in_days = 30
}

resource "aws_ecs_cluster" "main" {
  name = "voting"

  setting {
    name  = "containerInsights"
    value = "enabled"
  }

  depends_on = [aws_cloudwatch_log_group.insights]
}

# --- redis ---

resource "aws_lb" "redis" {
  name                             = "voting-redis"
  load_balancer_type               = "network"
  internal                         = true
  subnets                          = [aws_subnet.public_a.id, aws_subnet.public_b.id]
  security_groups                  = [aws_security_group.redis_lb.id]
  enable_cross_zone_load_balancing = true
}

resource "aws_lb_target_group" "redis" {
  name                   = "voting-redis"
  vpc_id                 = aws_vpc.main.id
  port                   = 80
  protocol               = "TCP"
  target_type            = "ip"
  deregistration_delay   = 20
  connection_termination = true

  health_check {
    protocol            = "TCP"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "redis" {
  load_balancer_arn = aws_lb.redis.arn
  port              = 6379
  protocol          = "TCP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.redis.arn
  }
}

resource "aws_cloudwatch_log_group" "redis" {
  name              = "/voting/redis"
  retention_in_days = 30
}

resource "aws_iam_role" "redis_exec" {
  name               = "voting-redis-exec"
  path               = "/voting/"
  description        = "Starts the tasks of voting redis"
  assume_role_policy = local.tasks_trust
}

resource "aws_iam_role_policy" "redis_exec" {
  role = aws_iam_role.redis_exec.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.redis.arn}:*"
      },
      {
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = [aws_secretsmanager_secret.redis_password.arn]
      },
    ]
  })
}

resource "aws_iam_role" "redis_task" {
  name               = "voting-redis-task"
  path               = "/voting/"
  description        = "What runs as voting redis"
  assume_role_policy = local.tasks_trust
}

resource "aws_ecs_task_definition" "redis" {
  family                   = "voting-redis"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = aws_iam_role.redis_exec.arn
  task_role_arn            = aws_iam_role.redis_task.arn

  runtime_platform {
    cpu_architecture        = "X86_64"
    operating_system_family = "LINUX"
  }

  container_definitions = jsonencode([{
    name         = "redis"
    image        = var.redis_image
    essential    = true
    command      = ["sh", "-c", "exec redis-server --requirepass \"$REDIS_PASSWORD\""]
    portMappings = [{ containerPort = 6379, protocol = "tcp" }]
    secrets      = [{ name = "REDIS_PASSWORD", valueFrom = aws_secretsmanager_secret.redis_password.arn }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.redis.name
        awslogs-region        = local.region
        awslogs-stream-prefix = "task"
        mode                  = "non-blocking"
        max-buffer-size       = "25m"
      }
    }
  }])
}

resource "aws_ecs_service" "redis" {
  name                               = "redis"
  cluster                            = aws_ecs_cluster.main.arn
  task_definition                    = aws_ecs_task_definition.redis.arn
  desired_count                      = 1
  launch_type                        = "FARGATE"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = 300
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"
  wait_for_steady_state              = true
  force_delete                       = true

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = [aws_subnet.public_a.id, aws_subnet.public_b.id]
    security_groups  = [aws_security_group.redis.id]
    assign_public_ip = true
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.redis.arn
    container_name   = "redis"
    container_port   = 6379
  }

  depends_on = [
    aws_iam_role_policy.redis_exec,
    aws_lb_listener.redis,
    aws_route.public_out,
    aws_route_table_association.public_a,
    aws_route_table_association.public_b,
    aws_secretsmanager_secret_version.redis_password,
    aws_vpc_security_group_egress_rule.redis_lb_to_redis,
    aws_vpc_security_group_egress_rule.redis_to_internet,
    aws_vpc_security_group_ingress_rule.redis_from_lb,
  ]
}

# --- web ---

resource "aws_lb" "web" {
  name                       = "voting-web"
  load_balancer_type         = "application"
  subnets                    = [aws_subnet.public_a.id, aws_subnet.public_b.id]
  security_groups            = [aws_security_group.web_lb.id]
  drop_invalid_header_fields = true

  depends_on = [aws_internet_gateway.main]
}

resource "aws_lb_target_group" "web" {
  name                 = "voting-web"
  vpc_id               = aws_vpc.main.id
  port                 = 80
  protocol             = "HTTP"
  target_type          = "ip"
  deregistration_delay = 20

  health_check {
    protocol            = "HTTP"
    path                = "/healthz"
    matcher             = "200-399"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener" "web" {
  load_balancer_arn = aws_lb.web.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.web.arn
  }
}

resource "aws_cloudwatch_log_group" "web" {
  name              = "/voting/web"
  retention_in_days = 30
}

resource "aws_iam_role" "web_exec" {
  name               = "voting-web-exec"
  path               = "/voting/"
  description        = "Starts the tasks of voting web"
  assume_role_policy = local.tasks_trust
}

resource "aws_iam_role_policy" "web_exec" {
  role = aws_iam_role.web_exec.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.web.arn}:*"
      },
      {
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = [aws_secretsmanager_secret.redis_password.arn]
      },
    ]
  })
}

resource "aws_iam_role" "web_task" {
  name               = "voting-web-task"
  path               = "/voting/"
  description        = "What runs as voting web"
  assume_role_policy = local.tasks_trust
}

resource "aws_ecs_task_definition" "web" {
  family                   = "voting-web"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = aws_iam_role.web_exec.arn
  task_role_arn            = aws_iam_role.web_task.arn

  runtime_platform {
    cpu_architecture        = "X86_64"
    operating_system_family = "LINUX"
  }

  volume {
    name = "tmp0"
  }

  container_definitions = jsonencode([{
    name                   = "web"
    image                  = var.web_image
    essential              = true
    user                   = "10001"
    readonlyRootFilesystem = true
    portMappings           = [{ containerPort = 8080, protocol = "tcp" }]
    mountPoints            = [{ sourceVolume = "tmp0", containerPath = "/tmp" }]
    secrets                = [{ name = "REDIS_PASSWORD", valueFrom = aws_secretsmanager_secret.redis_password.arn }]
    environment = [
      { name = "REDIS_HOST", value = aws_lb.redis.dns_name },
      { name = "REDIS_PORT", value = "6379" },
    ]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.web.name
        awslogs-region        = local.region
        awslogs-stream-prefix = "task"
        mode                  = "non-blocking"
        max-buffer-size       = "25m"
      }
    }
  }])
}

resource "aws_ecs_service" "web" {
  name                               = "web"
  cluster                            = aws_ecs_cluster.main.arn
  task_definition                    = aws_ecs_task_definition.web.arn
  desired_count                      = 1
  launch_type                        = "FARGATE"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = 60
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"
  wait_for_steady_state              = true
  force_delete                       = true

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = [aws_subnet.public_a.id, aws_subnet.public_b.id]
    security_groups  = [aws_security_group.web.id]
    assign_public_ip = true
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.web.arn
    container_name   = "web"
    container_port   = 8080
  }

  depends_on = [
    aws_iam_role_policy.web_exec,
    aws_lb_listener.web,
    aws_route.public_out,
    aws_route_table_association.public_a,
    aws_route_table_association.public_b,
    aws_secretsmanager_secret_version.redis_password,
    aws_vpc_security_group_egress_rule.web_lb_to_web,
    aws_vpc_security_group_egress_rule.web_to_internet,
    aws_vpc_security_group_egress_rule.web_to_redis,
    aws_vpc_security_group_egress_rule.web_to_redis_lb,
    aws_vpc_security_group_ingress_rule.web_from_lb,
  ]
}

output "url" {
  value = "http://${aws_lb.web.dns_name}"
}
